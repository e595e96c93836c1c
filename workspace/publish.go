package workspace

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/internal/mounts"
)

// publish gives what was staged its name, and its record last. Nothing that
// stands at the name may be in use; it goes to the trash. The caller has the
// entry's lock.
//
// The order is the protocol: what is staged is complete → a record that says
// "publishing", so that a crash leaves no directory that nobody knows → the name
// → the record that says "complete". The disk follows later: settle.go.
func (c *Cache) publish(s *staging, r *record) error {
	if err := s.identify(r); err != nil {
		return err
	}
	r.Protocol, r.State, r.Staging, r.Created, r.Boot = protocol, publishing, s.id, c.now().UTC(), c.boot
	if err := c.writeRecord(r); err != nil {
		return err
	}
	err := c.place(s, r)
	if err == nil && r.Kind != KindRun {
		r.Changed, err = c.changed(r.path()) // the last change that anybody makes to it
	}
	if err == nil && r.Kind == KindRun {
		r.Growth.Price = r.Bytes
		r.Growth.Since, err = c.changed(r.Place) // the rename
	}
	if err == nil {
		r.State = complete
		err = c.writeRecord(r)
	}
	if err != nil {
		for _, p := range r.parts() {
			c.trash(p.name)
		}
		_ = c.tidy(r)                          // an empty directory stays, until the target is wanted again
		_ = c.root().Remove(recordFile(r.Key)) // if it stays it says "publishing", which the sweep clears
		return err
	}
	s.published = true
	c.settle(r)
	now := c.now()
	return c.root().Chtimes(recordFile(r.Key), now, now)
}

// place renames what is staged to the entry's names.
func (c *Cache) place(s *staging, r *record) error {
	for _, p := range r.parts() {
		if err := c.trashSized(p.name, amount{}, nil); err != nil {
			return err
		}
	}
	for _, p := range r.parts() {
		from := s.at("")
		if r.Kind == KindShared {
			from = s.at(path.Base(p.name))
		}
		if p.id == (fileID{}) {
			continue
		}
		if err := c.renameInto(from, p.name); err != nil {
			return err
		}
	}
	if r.ReadOnly && r.Content == treeName {
		// The top of the tree was left writable so that non-root could rename it.
		if err := c.root().Chmod(r.path(), 0o555); err != nil {
			return err
		}
	}
	return nil
}

// renameInto renames from to name, making name's parent: somebody may remove
// the parent between the two, since an empty one is removed with its last entry.
func (c *Cache) renameInto(from, name string) error {
	const tries = 100 // each lost only to a removal in the same instant
	var err error
	for range tries {
		err = c.root().Mkdir(path.Dir(name), 0o755)
		if err == nil {
			// Whatever the umask: a run's tools may be another user.
			err = c.root().Chmod(path.Dir(name), 0o755)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err = c.root().Rename(from, name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// errPathHeld says that a target's shared path belongs to runs that still hold
// another version (case 10 of the contract's table).
var errPathHeld = errors.New("the shared path is held by runs that have another version")

// publishShared publishes a shared tree, or returns errPathHeld. The caller has
// r's content lock.
func (c *Cache) publishShared(ctx context.Context, s *staging, r *record) error {
	return c.choose(ctx, r, func(free bool) error {
		if !free {
			return errPathHeld
		}
		return c.publish(s, r)
	})
}

// publishBase publishes a base at the contract's path, or aside if the base of
// another version is in use there. The caller has r's content lock.
func (c *Cache) publishBase(ctx context.Context, s *staging, r *record) error {
	return c.choose(ctx, r, func(free bool) error {
		if !free {
			r.Key = asideKey(r.Target, r.version())
			r.Place = path.Join(basesDir, string(r.Key))
			if h, err := c.held(r.Key); h != nil || err != nil {
				return errors.Join(errAsideHeld, err)
			}
		}
		return c.publish(s, r)
	})
}

// errAsideHeld is what it takes both places of a base being tampered with under
// runs that hold them.
var errAsideHeld = &cordon.Error{Kind: cordon.Busy, Op: "publish base",
	Err: errors.New("runs hold two bases of this version, and both were tampered with"), Fix: "wait for these runs to end, or cancel them"}

// choose calls publish with the chooser's lock of r's target, and tells it
// whether the place that r names is free for r.
func (c *Cache) choose(ctx context.Context, r *record, publish func(free bool) error) error {
	lock, err := flock.Acquire(ctx, c.root(), chooserLock(r.Target), flock.Exclusive, nil)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	free, err := c.yields(r.Key, r.version())
	if err != nil {
		return err
	}
	return publish(free)
}

// yields reports whether an entry of version v may take the place of what k is
// now, and removes what is there if it is of another version. The caller has
// the chooser's lock and v's content lock.
func (c *Cache) yields(k key, v version) (bool, error) {
	old, err := c.current(k)
	if err != nil {
		return false, err
	}
	if old == nil || old.version() == v && old.Tampered == "" {
		return true, nil
	}
	lock, err := flock.Try(c.root(), old.lock(), flock.Exclusive)
	if lock == nil || err != nil {
		return false, err
	}
	defer lock.Unlock()
	if h, err := c.held(k); h != nil || err != nil {
		return false, err
	}
	err = c.remove(old, Replaced, "the object was replaced in the store")
	if errors.Is(err, mounts.ErrBusy) {
		return false, nil // a tool that was left behind still uses it
	}
	return true, err
}

// identify writes into r what the entry's names are.
func (s *staging) identify(r *record) error {
	var err error
	if r.Identity.Content, err = s.c.idOf(s.at(r.Content)); err != nil {
		return err
	}
	if r.Kind != KindShared {
		r.Identity.Dir, err = s.c.idOf(s.at(""))
		return err
	}
	if r.Content == objectName {
		return nil
	}
	r.Identity.Object, err = s.c.idOf(s.at(objectName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a tree can do without its object
	}
	return err
}
