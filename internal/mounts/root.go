package mounts

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Dir is the directory that names are looked up in; *os.Root is one.
type Dir interface {
	OpenFile(name string, flag int, perm os.FileMode) (*os.File, error)
	Name() string
}

// IsRoot reports whether something is mounted on name in dir, in time that does
// not depend on the number of mounts. A link at the end of name is not followed.
func IsRoot(dir Dir, name string) (bool, error) {
	d, last, err := parent(dir, name)
	if err != nil {
		return false, err
	}
	defer d.Close()
	return isRoot(d, last, filepath.Join(dir.Name(), name))
}

func isRoot(d *os.File, last, shown string) (bool, error) {
	var st unix.Statx_t
	// No field is asked for: the attributes are always there.
	err := unix.Statx(int(d.Fd()), last, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, 0, &st)
	if err != nil {
		return false, &fs.PathError{Op: "statx", Path: shown, Err: err}
	}
	if st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return false, &fs.PathError{Op: "statx", Path: shown, Err: errors.New("this kernel does not say what is a mount point; it is older than Linux 5.8")}
	}
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
}

// parent opens the directory that name is in, and returns name's last component.
// The descriptor is good for being a starting point only.
func parent(dir Dir, name string) (*os.File, string, error) {
	d, err := dir.OpenFile(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY, 0)
	return d, path.Base(name), err
}
