package driver

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// setMtime sets the modification time of an open file or directory.
func setMtime(f *os.File, t time.Time) error {
	return futimens(int(f.Fd()), unix.NsecToTimespec(t.UnixNano()))
}

// copyXattrs copies the attributes that a user may set to out, which its owner
// may write to.
func copyXattrs(in, out *os.File) error {
	_, err := cloneXattrs(int(in.Fd()), int(out.Fd()), 0o600)
	return err
}
