package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// Check implements Driver. It reads one small file and asks the kernel about one
// directory: some 20 microseconds.
func (*Overlay) Check(dir *os.Root, name string) error {
	_, err := check(dir, name)
	return err
}

func check(dir *os.Root, name string) (note, error) {
	n, err := readNote(dir)
	if err != nil {
		return n, err
	}
	at, err := dir.OpenFile(name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return n, broken("its mount point cannot be looked at: %w", err)
	}
	defer at.Close()
	var st unix.Statx_t
	if err := unix.Statx(int(at.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_TYPE, &st); err != nil {
		return n, broken("its mount point cannot be looked at: %w", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return n, broken("something that is no directory stands in the place of its mount point")
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0:
		here, err := mounts.Namespace()
		if err != nil {
			return n, err
		}
		return n, fmt.Errorf("%w here, in %s; it was mounted in %s", ErrDetached, here, n.Namespace)
	}
	var sfs unix.Statfs_t
	if err := unix.Fstatfs(int(at.Fd()), &sfs); err != nil {
		return n, broken("its mount cannot be looked at: %w", err)
	}
	if sfs.Type != unix.OVERLAYFS_SUPER_MAGIC {
		return n, broken("something else is mounted in its place")
	}
	return n, nil
}

// busyPatience is how long a mount is tried again that the kernel says is in use:
// it takes a mount apart some milliseconds after the process that made it died.
const busyPatience = 100 * time.Millisecond

// Restore implements Driver. A view that is whole stays as it is. One whose mount
// point somebody wrote into while the mount was off is broken: its run has seen
// two different trees, and no mount would show both.
func (o *Overlay) Restore(ctx context.Context, job Job) error {
	return o.restore(ctx, job, busyPatience)
}

// restore is Restore, and waits so long for a mount that the kernel calls busy.
func (o *Overlay) restore(ctx context.Context, job Job, patience time.Duration) error {
	n, err := check(job.Dir, job.Name)
	if err == nil || !errors.Is(err, ErrDetached) {
		return err
	}
	base, err := job.Base.Open(".")
	if err != nil {
		return broken("its base is gone: %w", err)
	}
	defer base.Close()
	if err := o.fits(n, base); err != nil {
		return err
	}
	if err := mustBeEmpty(job.Dir, job.Name); err != nil {
		return err
	}
	home, err := job.Dir.OpenRoot(overlayHome)
	if err != nil {
		return broken("its layers are gone: %w", err)
	}
	defer home.Close()
	for _, n := range []string{upperName, workName} {
		if info, err := home.Lstat(n); err != nil || !info.IsDir() {
			return broken("its layer %s is gone: %w", n, errors.Join(err, fs.ErrNotExist))
		}
	}
	for begin := time.Now(); ; time.Sleep(busyPatience / 10) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		// The kernel refuses what was mounted volatile once, for a restart may have
		// come in between. Ours would have shown in the note.
		if err := home.RemoveAll(volatileMark); err != nil {
			return err
		}
		err := o.mount(job, base, home)
		if err == nil {
			return o.writeNote(home, base)
		}
		if !errors.Is(err, ErrBusy) || time.Since(begin) > patience {
			return err
		}
	}
}

// fits says whether the view that n tells of can be mounted on base by o.
func (o *Overlay) fits(n note, base *os.File) error {
	id, err := identify(base)
	if err != nil {
		return err
	}
	if id != n.Base {
		return broken("its base is not the one that it was made of, which was %s", n.BasePath)
	}
	if user := strings.HasSuffix(","+n.Options, ","+userXattr); user != o.user {
		return broken("it was mounted in another kind of user namespace, with %s; this process uses %s", n.Options, strings.Join(o.options(), ","))
	}
	return nil
}

// mustBeEmpty looks into the mount point while nothing is mounted there.
func mustBeEmpty(dir *os.Root, name string) error {
	d, err := dir.OpenFile(name, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	found, err := d.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	return broken("somebody wrote %q into its directory while it was not mounted", found[0])
}
