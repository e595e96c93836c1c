package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
)

// MaxPath is the longest path that a unix socket can have, in bytes: the kernel's
// sun_path has room for it and a NUL.
const MaxPath = len(unix.RawSockaddrUnix{}.Path) - 1

// The modes of the socket's file: of its owner alone, and of a group's too.
const (
	ownerMode fs.FileMode = 0o600
	groupMode fs.FileMode = 0o660
)

// lockSuffix ends the name of the file beside the socket whose lock says that somebody
// serves there.
const lockSuffix = ".lock"

// probeTimeout is how long a listener that nobody has locked is given to take a
// connection: the kernel does that at once, unless its queue is full.
const probeTimeout = time.Second

// claim is a socket that this process alone listens on.
type claim struct {
	net.Listener
	path string
	root *os.Root // its directory
	lock *flock.Lock
	made os.FileInfo
}

// claimPath listens at path, an absolute one. The file that a dead worker has left there
// is replaced; while a living process listens the error is Busy. group, a name or a
// number, may connect as well where it is not "".
func claimPath(path, group string) (_ *claim, err error) {
	wrong := func(kind cordon.Kind, err error, fix string) error {
		return &cordon.Error{Kind: kind, Op: "serve the socket", Name: path, Err: err, Fix: fix}
	}
	if len(path) > MaxPath {
		return nil, wrong(cordon.InvalidArgument, fmt.Errorf("the path has %d bytes, and a unix socket's has at most %d", len(path), MaxPath),
			"choose a shorter one, such as /run/cordon/worker.sock")
	}
	gid, err := groupID(group)
	if err != nil {
		return nil, wrong(cordon.InvalidArgument, err, "name a group of this machine, or its number")
	}
	c := &claim{path: path}
	defer func() {
		if err != nil {
			c.release()
		}
	}()
	dir, base := filepath.Split(path)
	if c.root, err = os.OpenRoot(dir); err != nil {
		return nil, wrong(cordon.InvalidArgument, err, "make the folder, or name another one for the socket")
	}
	c.lock, err = flock.Try(private{c.root}, base+lockSuffix, flock.Exclusive)
	if errors.Is(err, fs.ErrPermission) {
		return nil, wrong(cordon.PermissionDenied, err, "let the worker's user write to the folder, or name another one for the socket")
	}
	if err != nil {
		return nil, wrong(cordon.InvalidArgument, err, "")
	}
	busy := func(who string) error {
		return wrong(cordon.Busy, errors.New(who), "stop it, or choose another path")
	}
	if c.lock == nil {
		return nil, busy("another worker serves there")
	}
	switch st, err := c.root.Lstat(base); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, wrong("", err, "")
	case st.Mode().Type() != fs.ModeSocket:
		return nil, wrong(cordon.InvalidArgument, errors.New("there is something that is no socket"), "choose another path")
	case listening(path):
		return nil, busy("another program listens there")
	default: // of a dead worker
		if err := c.root.Remove(base); err != nil {
			return nil, wrong("", err, "")
		}
	}
	if c.Listener, err = listen(path); err != nil {
		return nil, wrong("", err, "")
	}
	if gid >= 0 {
		if err := errors.Join(c.root.Lchown(base, -1, gid), c.root.Chmod(base, groupMode)); err != nil {
			return nil, wrong(cordon.PermissionDenied, err, "name a group that the worker's user is in")
		}
	}
	if c.made, err = c.root.Lstat(base); err != nil {
		return nil, wrong("", err, "")
	}
	return c, nil
}

// listen makes the socket's file, which nobody but its owner can open from the first
// moment on: Linux gives it the mode of the socket, less the umask.
func listen(path string) (net.Listener, error) {
	var chmod error
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		err := c.Control(func(fd uintptr) { chmod = unix.Fchmod(int(fd), uint32(ownerMode)) })
		return errors.Join(err, chmod)
	}}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // release does, under the lock
	return l, nil
}

// listening reports whether a process takes connections at path. In doubt one does.
func listening(path string) bool {
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	if err == nil {
		conn.Close()
		return true
	}
	return !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist)
}

// release stops listening and takes the files away.
func (c *claim) release() {
	if c.Listener != nil {
		_ = c.Listener.Close() // the server has closed it already, mostly
	}
	base := filepath.Base(c.path)
	// Somebody may have put another file there, after an rm -rf of the folder.
	if st, err := c.statOwn(base); err == nil && os.SameFile(st, c.made) {
		_ = c.root.Remove(base) // what stays is replaced by the next worker
	}
	if c.lock != nil {
		_ = c.root.Remove(base + lockSuffix) // while it is locked: see flock.Try
		c.lock.Unlock()
	}
	if c.root != nil {
		_ = c.root.Close() // nothing was written through it
	}
}

func (c *claim) statOwn(base string) (os.FileInfo, error) {
	if c.made == nil {
		return nil, fs.ErrNotExist
	}
	return c.root.Lstat(base)
}

// groupID returns the number of a group, or -1 where none is named.
func groupID(group string) (int, error) {
	if group == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(group, 10, 31); err == nil {
		return int(n), nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, fmt.Errorf("there is no group %q here", group)
	}
	return strconv.Atoi(g.Gid)
}

// private makes lock files that others cannot open: who can open one can hold it.
type private struct{ *os.Root }

// OpenFile implements flock.Dir.
func (p private) OpenFile(name string, flag int, _ os.FileMode) (*os.File, error) {
	return p.Root.OpenFile(name, flag, ownerMode)
}
