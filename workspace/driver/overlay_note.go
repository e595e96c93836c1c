package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/durable"
	"github.com/cordonlabs/cordon/internal/fsinfo"
	"github.com/cordonlabs/cordon/internal/mounts"
)

// note is a view's view.json: its sentinel, and what is needed to mount it again.
// It is never synced, for it is worth nothing after a restart.
type note struct {
	Base      fsinfo.FileID `json:"base"`
	BasePath  string        `json:"base_path"`       // where the base was, for people
	Boot      string        `json:"boot"`            // the kernel's boot in which the view was made
	Namespace string        `json:"mount_namespace"` // in which it was mounted last
	Options   string        `json:"options"`
}

const noteName = "view.json"

// maxNote bounds what is read of a note, in bytes: a path of PATH_MAX, every byte
// of it escaped, and the rest.
const maxNote = 32 << 10

func identify(f *os.File) (fsinfo.FileID, error) {
	id, err := fsinfo.Identify(int(f.Fd()), "", unix.AT_EMPTY_PATH)
	if err != nil {
		return id, &os.PathError{Op: "statx", Path: f.Name(), Err: err}
	}
	return id, nil
}

// bootID is asked of the kernel once: it cannot change under a process.
var bootID = sync.OnceValues(fsinfo.BootID)

// writeNote says in home that there is a view, of base, mounted by this process.
func (o *Overlay) writeNote(home *os.Root, base *os.File) error {
	n := note{Options: strings.Join(o.options(), ",")}
	var err error
	if n.Base, err = identify(base); err != nil {
		return err
	}
	if n.Boot, err = bootID(); err != nil {
		return err
	}
	if n.Namespace, err = mounts.Namespace(); err != nil {
		return err
	}
	// For people: what cannot be found out is left out.
	n.BasePath, _ = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", base.Fd()))
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return durable.Replace(home, noteName, b)
}

// readNote reads the note of the view in dir. ErrBroken: there is none that says
// that the view is of this boot.
func readNote(dir *os.Root) (note, error) {
	b, err := readSmall(dir, path.Join(overlayHome, noteName))
	if err != nil {
		return note{}, broken("it has no %s that tells of it: %w", noteName, err)
	}
	n, err := parseNote(b)
	if err != nil {
		return note{}, broken("its %s cannot be read: %w", noteName, err)
	}
	boot, err := bootID()
	if err != nil {
		return note{}, err
	}
	if n.Boot != boot {
		return note{}, broken("the machine was restarted, and what was written to the view may be lost in part")
	}
	return n, nil
}

func parseNote(b []byte) (note, error) {
	var n note
	if err := json.Unmarshal(b, &n); err != nil {
		return note{}, err
	}
	if n.Boot == "" || n.Base.Inode == 0 {
		return note{}, errors.New("its boot or its base is missing")
	}
	return n, nil
}

// readSmall reads a file that may be anything, for a run may have had its hands
// on it: a link is not followed, and a FIFO is not waited for.
func readSmall(dir *os.Root, name string) ([]byte, error) {
	f, err := dir.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxNote {
		return nil, errors.Join(errors.New("it is no small regular file"), err)
	}
	return io.ReadAll(io.LimitReader(f, maxNote))
}

// broken returns an error with ErrBroken in its chain, unless what it tells of is
// want of something that comes back, of a right, or of a disk that can be read:
// nobody's work is thrown away for that.
func broken(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	for _, passing := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EAGAIN, unix.EINTR, unix.EIO, unix.EACCES, unix.EPERM} {
		if errors.Is(err, passing) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrBroken, err)
}
