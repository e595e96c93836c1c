package doctor

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// unmountPatience is how long an unmount is tried again that the kernel says is in
// use: a process that is being started has all descriptors of this one until it
// executes its program, and a new mount namespace has copies of all mounts.
const unmountPatience = 2 * time.Second

func unmountSoon(dir *os.Root, name string) error {
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		err := mounts.Unmount(dir, name)
		if !errors.Is(err, mounts.ErrBusy) || time.Since(begin) > unmountPatience {
			return err
		}
	}
}

// readOnlyTrees looks whether a shared tree can be kept from being changed by a
// mount, as it is kept by its modes everywhere. Modes do not stop root.
func readOnlyTrees(_ context.Context, s *site) Result {
	trial, err := s.trial()
	if err != nil {
		return notLooked(err)
	}
	const name = trialPrefix + "tree"
	tree, err := subdirectory(trial, "tree")
	if err != nil {
		return fail("see whether the disk works", "no directory can be made: %v", cause(err))
	}
	_ = tree.Close() // nothing was done with it, and an open directory would keep the mount busy
	if err := mounts.BindReadOnly(trial, name); err != nil {
		r := because(Warn, err, mounts.FixNoRight)
		r.Found = "by modes alone, which do not stop root: " + cause(errors.Unwrap(err)).Error()
		return r
	}
	werr := trial.WriteFile(name+"/"+trialPrefix+"file", nil, 0o600)
	if err := unmountSoon(trial, name); err != nil {
		return because(Fail, err, "unmount it by hand")
	}
	if !errors.Is(werr, unix.EROFS) {
		return fail("report this as a defect, with the kernel's version", "a file could be made in a tree that is mounted read-only (%v)", werr)
	}
	if os.Geteuid() == 0 {
		return ok("by modes and by a read-only mount, which stops root too")
	}
	return ok("by modes and by a read-only mount")
}
