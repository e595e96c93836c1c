package workspace

import (
	"context"
	"errors"
	"path"

	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/internal/mounts"
)

// Nobody may change a shared tree or a base. Where the kernel cannot forbid it,
// looking at the manifest finds it out: at each new hold a part of the tree, all
// of a small one; at each sweep all of every tree that is held. A tree that was
// changed goes to quarantine and is fetched again; if runs hold it, it stays
// where it is for them, and nobody else gets it.

// sound reports whether r's tree looks as it was published.
func (c *Cache) sound(ctx context.Context, r *record) (bool, error) {
	if r.Tampered != "" {
		c.suspect(r, r.Tampered)
		return false, nil
	}
	bad, err := c.altered(ctx, r, manifestGlance)
	if bad != "" {
		c.suspect(r, bad)
	}
	return bad == "" && err == nil, err
}

// suspect remembers what a look at r's tree found, for whoever gets the lock that
// acting on it needs; another look might be at another part of it.
func (c *Cache) suspect(r *record, bad string) { c.suspects.Store(r.Staging, bad) }

// suspicion returns what is known against r's tree, or "".
func (c *Cache) suspicion(r *record) string {
	if r.Tampered != "" {
		return r.Tampered
	}
	bad, _ := c.suspects.Load(r.Staging)
	s, _ := bad.(string)
	return s
}

// convict takes r's tree, which was tampered with, out of use, and reports
// whether its place is free. The caller has the exclusive content lock.
func (c *Cache) convict(r *record, bad string) (gone bool, err error) {
	h, err := c.held(r.Key)
	if err != nil {
		return false, err
	}
	if r.Tampered == "" {
		c.log.Warn("a tree in the cache was tampered with", "path", c.abs(r.path()), "target_id", r.Target, "found", bad, "held", h != nil)
		c.event(event{Action: "tampered", Key: r.Key, Path: r.path(), Bytes: r.total(), Reason: bad})
	}
	c.suspects.Delete(r.Staging)
	if h == nil {
		if err := c.quarantine(r, bad); !errors.Is(err, mounts.ErrBusy) {
			return true, err
		} // something that is no run's still uses it
	}
	if r.Tampered != "" {
		return false, nil
	}
	r.Tampered = bad
	return false, c.rewriteRecord(r)
}

// quarantine moves r's entry, which nobody holds, to where only people look. It is
// an entry like any other there: it counts, and goes when room is needed or when
// its time to live is over. The caller has the exclusive content lock.
func (c *Cache) quarantine(r *record, bad string) error {
	q := *r
	q.Kind, q.Key = KindQuarantine, hashed("quarantine", r.Staging)
	q.Place, q.Tampered, q.State = path.Join(quarantineDir, string(q.Key)), bad, publishing
	q.View, q.Manifest, q.Object, q.Changed = nil, false, 0, 0
	q.Boot, q.Staging = c.boot, string(q.Key) // what is known of r by its staging id goes with r
	if err := c.unguard(r); err != nil {
		return err
	}
	lock, err := flock.Acquire(context.Background(), c.root(), q.lock(), flock.Exclusive, nil) // a sweep tries it, for an instant
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := c.writeRecord(&q); err != nil {
		return err
	}
	c.trash(q.Place) // what a crash left of doing this before
	// The tree without the object: that can be had from the store.
	root := c.root()
	if err := root.Mkdir(q.Place, 0o700); err != nil {
		return err
	}
	if c.free(r.path()) || r.Content == objectName {
		if err := root.Rename(r.path(), q.path()); err != nil {
			return err
		}
	}
	if q.Identity.Dir, err = c.idOf(q.Place); err != nil {
		return err
	}
	q.Identity.Object, q.State = fileID{}, complete
	if err := c.writeRecord(&q); err != nil {
		return err
	}
	c.settle(&q)
	return c.remove(r, Tampered, "tampered with: "+bad)
}

// tampering looks at all of every tree that is held.
func (s *sweep) tampering() error {
	c := s.c
	records, err := c.written()
	if err != nil {
		return err
	}
	var held []*record
	for _, r := range records {
		if r.State != complete || r.Changed == 0 || r.Tampered != "" || !s.inPlace(r) {
			continue
		}
		needed, err := s.needed(r.Key)
		if err != nil {
			return err
		}
		if needed {
			held = append(held, r)
		}
	}
	// Without the locks first: who makes or removes one may spoil the look, and no other
	// harm is done.
	suspects := make([]bool, len(held))
	err = abreast(len(held), func(i int) error {
		bad, err := c.altered(s.ctx, held[i], 0)
		suspects[i] = bad != ""
		return err
	})
	for i, r := range held {
		if suspects[i] {
			err = errors.Join(err, s.inspect(r))
		}
	}
	return err
}

// inspect looks at r's tree, which seems to have been changed, once more, with its
// lock, and takes it out of use if it was.
func (s *sweep) inspect(r *record) error {
	c := s.c
	lock, err := flock.Try(c.root(), r.lock(), flock.Shared)
	if lock == nil || err != nil {
		return err // it is being made or removed
	}
	bad, err := c.altered(s.ctx, r, 0)
	lock.Unlock()
	if bad == "" || err != nil || s.opts.DryRun || s.plan != nil {
		return err
	}
	lock, err = flock.Try(c.root(), r.lock(), flock.Exclusive)
	if lock == nil || err != nil {
		c.suspect(r, bad)
		return err
	}
	defer lock.Unlock()
	_, err = c.convictIfStill(r, bad)
	return err
}

// convictIfStill convicts r's tree if its entry is still there. The caller has the
// exclusive content lock.
func (c *Cache) convictIfStill(r *record, bad string) (gone bool, err error) {
	now, err := c.current(r.Key)
	if now == nil || err != nil || now.Staging != r.Staging {
		return true, err
	}
	return c.convict(now, bad)
}
