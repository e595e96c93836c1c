package doctor

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
)

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
	if err := mounts.Unmount(trial, name); err != nil {
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
