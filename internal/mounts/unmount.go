package mounts

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Unmount takes the topmost mount off name in dir. A link at the end of name is
// not followed. ErrBusy: the mount is in use, and stays.
func Unmount(dir Dir, name string) error {
	shown := filepath.Join(dir.Name(), name)
	d, last, err := parent(dir, name)
	if err != nil {
		return mountError("unmount", shown, err)
	}
	defer d.Close()
	return unmount(d, last, shown)
}

func unmount(d *os.File, last, shown string) error {
	// umount2(2) takes a path only; this one begins at the descriptor.
	err := unix.Unmount(fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), last), unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EINVAL) {
		if is, ierr := isRoot(d, last, shown); ierr == nil && !is {
			err = fmt.Errorf("nothing is mounted there: %w", err)
		} else {
			err = fmt.Errorf("the mount was passed on from a more privileged mount namespace: %w", err)
		}
	}
	return mountError("unmount", shown, err)
}

// UnmountBelow takes away every mount below dir, the innermost first: for what is
// in the trash. The error joins those of the mounts that stay; ErrBusy: at least
// one is in use. A directory that does not exist needs nothing.
func UnmountBelow(dir string) error {
	dir, err := resolve(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	top, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return mountError("unmount below", dir, err)
	}
	defer top.Close()
	// A mount may hide another one, which can be reached only after it is gone:
	// so go on for as long as there are fewer each time.
	var errs []error
	for before := math.MaxInt; ; {
		all, err := Table()
		if err != nil {
			return err
		}
		all = below(all, dir)
		if len(all) == 0 {
			return nil
		}
		if len(all) >= before {
			return errors.Join(errs...)
		}
		before, errs = len(all), nil
		for _, m := range all {
			errs = append(errs, unmountAt(top, names(dir, m.Point), m.Point))
		}
	}
}

// names returns the names that lead from dir to point, which is below it.
func names(dir, point string) []string {
	return strings.Split(strings.TrimPrefix(point, strings.TrimSuffix(dir, "/")+"/"), "/")
}

// unmountAt goes down from top without following a link, for a run may have
// made any of the names, and unmounts what is mounted on the last of them.
func unmountAt(top *os.File, names []string, shown string) error {
	d := top
	for _, name := range names[:len(names)-1] {
		fd, err := unix.Openat(int(d.Fd()), name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if d != top {
			d.Close()
		}
		if err != nil {
			return mountError("unmount", shown, err)
		}
		d = os.NewFile(uintptr(fd), name)
	}
	err := unmount(d, names[len(names)-1], shown)
	if d != top {
		d.Close()
	}
	return err
}
