package workspace

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/internal/mounts"
)

// guard puts a read-only mount on what r hands out if that is shared and there is
// none: modes do not stop root. Where the process may not mount, modes have to
// do. The caller has the content lock, shared at least, and a hold.
func (c *Cache) guard(ctx context.Context, r *record) error {
	if r.Kind != KindShared || c.unguarded.Load() {
		return nil
	}
	// With the lock, and not before: relax may be about to take off what is there. To
	// look, which is all that most have to do, nobody keeps others out.
	lock, err := flock.Acquire(ctx, c.root(), chooserLock(r.Target), flock.Shared, nil)
	if err != nil {
		return err
	}
	there := c.guarded(r)
	lock.Unlock()
	if there {
		return nil
	}
	if lock, err = flock.Acquire(ctx, c.root(), chooserLock(r.Target), flock.Exclusive, nil); err != nil {
		return err
	}
	defer lock.Unlock()
	if c.guarded(r) {
		return nil // somebody else was quicker
	}
	err = mounts.BindReadOnly(c.root(), r.path())
	switch {
	case err == nil, gone(err): // by hand: whoever looks next makes it anew
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSYS):
		c.unguarded.Store(true)
		c.log.Info("shared trees are read-only by their modes alone: this process may not mount, and root could write to them", "error", err)
	default:
		c.log.Warn("a shared tree is read-only by its modes alone", "path", c.abs(r.path()), "error", err)
	}
	return nil
}

func (c *Cache) guarded(r *record) bool {
	is, err := mounts.IsRoot(c.root(), r.path())
	return is && err == nil
}

// unguard takes the mounts off r's tree. Something that still uses the tree, a
// tool that was left behind, makes that impossible: then the error says so.
func (c *Cache) unguard(r *record) error {
	if r.Kind != KindShared {
		return nil
	}
	return unmountAll(c.root(), r.path())
}

// relaxTries and relaxPause are how long relax tries to get a lock that others
// have for instants: a cleanup does not wait.
const (
	relaxTries = 5
	relaxPause = time.Millisecond

	// relaxPatience is how long it goes on trying when nobody waits for it.
	relaxPatience = 5 * time.Second
)

// relax takes the mount off a shared tree that no run holds any more. Whoever gets
// the tree holds it first and mounts it then, so that one of the two sees the
// other. Where somebody has the lock, it goes on in the background; a tool that still
// works in the tree keeps the mount until a sweep.
func (c *Cache) relax(r *record) {
	if r.Kind != KindShared || !c.guarded(r) {
		return
	}
	var lock *flock.Lock
	for range relaxTries {
		var err error
		if lock, err = flock.Try(c.root(), chooserLock(r.Target), flock.Exclusive); err != nil {
			return
		}
		if lock != nil {
			break
		}
		time.Sleep(relaxPause)
	}
	if lock != nil {
		c.relaxLocked(r)
		lock.Unlock()
		return
	}
	if c.stopping.Err() != nil {
		return // a sweep does it
	}
	c.background.Go(func() {
		ctx, cancel := context.WithTimeout(c.stopping, relaxPatience)
		defer cancel()
		if lock, err := flock.Acquire(ctx, c.root(), chooserLock(r.Target), flock.Exclusive, nil); err == nil {
			c.relaxLocked(r)
			lock.Unlock()
		}
	})
}

func (c *Cache) relaxLocked(r *record) {
	if h, err := c.held(r.Key); h != nil || err != nil {
		return
	}
	if err := c.unguard(r); err != nil {
		c.log.Info("a shared tree that no run holds stays mounted; the next sweep tries again", "path", c.abs(r.path()), "reason", err)
	}
}

// relaxAll takes the mounts off the shared trees that nobody holds: where holds
// end with their process, there are some now.
func (c *Cache) relaxAll() {
	if !c.bound {
		return
	}
	records, _, err := c.records()
	if err != nil {
		return // the next sweep does it
	}
	for _, r := range records {
		if r.Kind == KindShared && r.State == complete {
			c.relax(r)
		}
	}
}
