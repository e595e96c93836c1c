package driver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// forkPatience is how long an unmount is tried again that the kernel says is in
// use. A process that is being started has every descriptor of its parent until it
// executes its program, some milliseconds later.
const forkPatience = 50 * time.Millisecond

// releaseOverlay unmounts what is mounted on name, however often. It may be a view
// of this driver or a mount by anybody else: nothing in the trash is deleted
// through it.
func releaseOverlay(dir *os.Root, name string) error {
	for begin := time.Now(); ; {
		is, err := mounts.IsRoot(dir, name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || err == nil && !is {
			return nil
		}
		if err == nil {
			err = mounts.Unmount(dir, name)
		}
		switch {
		case err == nil:
		case errors.Is(err, mounts.ErrBusy):
			if time.Since(begin) > forkPatience {
				return fmt.Errorf("%w: %w", ErrBusy, err)
			}
			time.Sleep(forkPatience / 10)
		case errors.Is(err, unix.EINVAL):
			// Somebody else may have unmounted it at this moment.
			if is, again := mounts.IsRoot(dir, name); again == nil && is {
				return err
			}
		default:
			return err
		}
	}
}
