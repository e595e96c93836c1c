package doctor

import (
	"context"

	"github.com/cordonlabs/cordon/internal/flock"
)

// locks looks whether flock(2) excludes on this file system, by locking. Two
// descriptors of one process stand for two processes: a lock belongs to an open
// file, and where it is made of something that belongs to a process, as on some
// network file systems, this shows it.
func locks(ctx context.Context, s *site) Result {
	trial, err := s.trial()
	if err != nil {
		return notLooked(err)
	}
	const name, broken = trialPrefix + "lock", "set CACHE_DIR to a directory on a local disk"
	held, err := flock.Try(trial, name, flock.Exclusive)
	if err != nil || held == nil {
		return fail(broken, "a new file cannot be locked: %v", err)
	}
	defer held.Unlock()
	for _, mode := range []flock.Mode{flock.Exclusive, flock.Shared} {
		second, err := flock.Try(trial, name, mode)
		if err != nil {
			return fail(broken, "a locked file cannot be tried: %v", err)
		}
		if second != nil {
			second.Unlock()
			return fail(broken, "locks do not exclude each other: two processes would write one workspace")
		}
	}
	held.Unlock()
	// Not at once: a program that another goroutine starts has the descriptor for
	// the instant before it closes it.
	again, err := flock.Acquire(ctx, trial, name, flock.Exclusive, nil)
	if err != nil {
		return fail(broken, "a lock that was released still stands: %v", err)
	}
	again.Unlock()
	return ok("flock excludes, and lets go")
}
