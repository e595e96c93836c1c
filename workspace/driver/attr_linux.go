package driver

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

type unixStat = syscall.Stat_t

// allocated returns the bytes of disk that info's file takes, from st_blocks,
// whose unit is 512 bytes whatever the file system's own is (stat(2)).
func allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*unixStat); ok {
		return st.Blocks * 512
	}
	return (info.Size() + blockSize - 1) / blockSize * blockSize
}

func setMtime(f *os.File, t time.Time) error {
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(t.UnixNano())}
	return unix.UtimesNanoAt(int(f.Fd()), "", ts, unix.AT_EMPTY_PATH)
}

// lchtimes sets the modification time of a symbolic link itself.
func lchtimes(root *os.Root, name string, t time.Time) error {
	dir, err := root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(t.UnixNano())}
	return unix.UtimesNanoAt(int(dir.Fd()), path.Base(name), ts, unix.AT_SYMLINK_NOFOLLOW)
}

// copyXattrs copies the attributes that a user may set. Those of other
// namespaces mean something to the system (capabilities, labels, overlayfs) and
// are not a tree's content.
func copyXattrs(in, out *os.File) error {
	size, err := unix.Flistxattr(int(in.Fd()), nil)
	if size == 0 || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return err
	}
	names := make([]byte, size)
	size, err = unix.Flistxattr(int(in.Fd()), names)
	if err != nil {
		return err
	}
	for _, name := range strings.Split(string(names[:size]), "\x00") {
		if !strings.HasPrefix(name, "user.") {
			continue
		}
		n, err := unix.Fgetxattr(int(in.Fd()), name, nil)
		if err != nil {
			return err
		}
		value := make([]byte, n)
		n, err = unix.Fgetxattr(int(in.Fd()), name, value)
		if err != nil {
			return err
		}
		if err := unix.Fsetxattr(int(out.Fd()), name, value[:n], 0); err != nil {
			return err
		}
	}
	return nil
}
