package driver

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseSubvolume destroys the subvolume called name in dir, and those that a
// run made in it, at once. What is no subvolume, or what the process may not
// destroy, it leaves for plain deletion, which then has nothing in its way: a
// subvolume that was made read-only is writable again.
//
// A subvolume that holds others cannot be destroyed, so they are first renamed to
// names beside it, where they go with dir if they cannot be destroyed either.
//
// Errors are ignored: what stays is deleted file by file, and whatever is wrong
// with it shows there.
func releaseSubvolume(dir *os.Root, name string) {
	d, err := dir.Open(".")
	if err != nil {
		return
	}
	defer d.Close()
	top := int(d.Fd())
	if fsName(top) != "btrfs" {
		return
	}
	prefix := "." + name + "~subvolume-"
	names := []string{name}
	if all, err := d.Readdirnames(-1); err == nil {
		for _, n := range all {
			if strings.HasPrefix(n, prefix) { // of an earlier call, which may have been killed
				names = append(names, n)
			}
		}
	}
	raised := 0
	for len(names) > 0 {
		last := names[len(names)-1]
		names = names[:len(names)-1]
		fd, err := openSubvolume(top, last)
		if err != nil {
			continue
		}
		_ = makeWritable(fd)
		nested, _ := nestedSubvolumes(fd)
		for _, n := range nested {
			err := error(unix.EEXIST)
			for err == unix.EEXIST {
				raised++
				err = raise(fd, n[0], n[1], top, prefix+strconv.Itoa(raised))
			}
			if err == nil {
				names = append(names, prefix+strconv.Itoa(raised))
			}
		}
		unix.Close(fd)
		_ = destroySubvolume(top, last)
	}
}

// openSubvolume opens the subvolume called name; anything else is an error.
func openSubvolume(dir int, name string) (int, error) {
	fd, err := openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if ok, err := isSubvolume(fd, "."); err != nil || !ok {
		unix.Close(fd)
		return -1, fmt.Errorf("%q is no subvolume", name)
	}
	return fd, nil
}

// raise renames the subvolume called name in the directory path of the subvolume
// fd to the name to in the directory top.
func raise(fd int, path, name string, top int, to string) error {
	from, err := new(opener).openDir(fd, path+".", 0)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	sub, err := openSubvolume(from, name)
	if err != nil {
		return err
	}
	defer unix.Close(sub)
	_ = makeWritable(sub)       // a directory that gets another parent must be writable:
	_ = unix.Fchmod(sub, 0o700) // the renaming says if it is not
	return unix.Renameat2(from, name, top, to, unix.RENAME_NOREPLACE)
}
