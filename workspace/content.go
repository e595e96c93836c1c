package workspace

import (
	"context"
	"path"

	"github.com/cordonlabs/cordon/internal/flock"
)

// contentBase returns the record of a base of version v, making it if there is
// none, and a lock that keeps it. fetched says that this call downloaded it.
func (c *Cache) contentBase(ctx context.Context, req Request, info contentInfo, st *step) (r *record, lock *flock.Lock, fetched bool, err error) {
	work := baseWork(req, info)
	for range contentTries {
		r, lock, err := c.lockBase(ctx, req, info, st)
		if r != nil || err != nil {
			return r, lock, fetched, err
		}
		got, err := c.makeOnce(ctx, work, st, func(ctx context.Context, st *step) (made, error) {
			return c.makeBase(ctx, req, info, st)
		})
		if err != nil {
			return nil, nil, false, err
		}
		fetched = fetched || got.fetched
	}
	return nil, nil, false, errThrashing
}

// lockBase returns the base of info's version with its lock, shared, or nil
// where there is none that may be used.
func (c *Cache) lockBase(ctx context.Context, req Request, info contentInfo, st *step) (*record, *flock.Lock, error) {
	lock, err := c.shareContent(ctx, req, info, baseWork(req, info), st)
	if lock == nil || err != nil {
		return nil, nil, err
	}
	r, err := c.currentBase(req.Target, info.version)
	ok := false
	if r != nil && err == nil {
		if ok, err = c.suits(r); ok {
			ok, err = c.sound(ctx, r)
		}
	}
	if !ok || err != nil {
		lock.Unlock()
		return nil, nil, err
	}
	c.touch(r)
	return r, lock, nil
}

func (c *Cache) lockContent(ctx context.Context, req Request, info contentInfo, mode flock.Mode, st *step) (*flock.Lock, error) {
	return flock.Acquire(ctx, c.root(), contentLock(req.Target, info.version), mode,
		func() { st.begin("waiting for another process that fetches the same target", 0) })
}

// The names under which the callers of this process share the making of content.
func baseWork(req Request, info contentInfo) string {
	return "base " + contentLock(req.Target, info.version)
}

func sharedWork(req Request, info contentInfo) string {
	return "shared " + contentLock(req.Target, info.version)
}

// shareContent takes the content lock, shared. It returns nil where it would wait
// for this process itself: who waits for the lock has no say in whether that work
// goes on, as who joins it has.
func (c *Cache) shareContent(ctx context.Context, req Request, info contentInfo, work string, st *step) (*flock.Lock, error) {
	wait, join := context.WithCancel(ctx)
	defer join()
	lock, err := flock.Acquire(wait, c.root(), contentLock(req.Target, info.version), flock.Shared, func() {
		if c.contents.Running(work) {
			join()
			return
		}
		st.begin("waiting for another process that fetches the same target", 0)
	})
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		return nil, nil
	}
	return lock, err
}

// currentBase returns the record of the base of v, wherever it stands, unless it
// was tampered with.
func (c *Cache) currentBase(t targetID, v version) (*record, error) {
	for _, k := range []key{baseKey(t), asideKey(t, v)} {
		r, err := c.current(k)
		if err != nil {
			return nil, err
		}
		if r != nil && r.version() == v && r.Tampered == "" {
			return r, nil
		}
	}
	return nil, nil
}

// suits reports whether the views that are made here can start from the base r. A
// base that nobody needs is better made anew than made do with.
func (c *Cache) suits(r *record) (bool, error) {
	if r.Content != treeName {
		return true, nil
	}
	usable, err := c.drivers.get(c)
	if err != nil || !usable[0].Traits().OwnBase || r.Driver == usable[0].Name() {
		return err == nil, err
	}
	return c.needed(r.Key)
}

func (c *Cache) makeBase(ctx context.Context, req Request, info contentInfo, st *step) (made, error) {
	lock, err := c.lockContent(ctx, req, info, flock.Exclusive, st)
	if err != nil {
		return made{}, err
	}
	defer lock.Unlock()
	if have, err := c.clearBase(req.Target, info.version); have || err != nil {
		return made{}, err
	}
	s, err := c.stage("the base of target " + req.Target.String())
	if err != nil {
		return made{}, err
	}
	defer s.discard()
	usable, err := c.drivers.get(c)
	if err != nil {
		return made{}, err
	}
	s.makeTree = usable[0].MakeBase
	m, err := c.obtain(ctx, s, req, info, sharedKey(req.Target), false, st)
	if err != nil {
		return made{}, err
	}
	// Whoever reaches the cache directory does not reach what views start from.
	if err := s.root.Chmod(".", 0o700); err != nil {
		return made{}, err
	}
	m.driver = usable[0].Name()
	st.begin("publishing", 0)
	r := info.record(KindBase, baseKey(req.Target), req)
	r.Place = path.Join(req.Target.String(), baseName)
	return m, c.publishBase(ctx, s, m.into(r))
}

// clearBase reports whether there is a base of v that may be used, and takes away
// what is in the way of a new one. The caller has v's content lock.
func (c *Cache) clearBase(t targetID, v version) (have bool, err error) {
	for _, k := range []key{baseKey(t), asideKey(t, v)} {
		r, err := c.current(k)
		if err != nil {
			return false, err
		}
		if r == nil || r.version() != v {
			continue
		}
		if bad := c.suspicion(r); bad != "" {
			if _, err := c.convict(r, bad); err != nil {
				return false, err
			}
			continue
		}
		if ok, err := c.suits(r); ok || err != nil {
			return ok, err
		}
		if err := c.remove(r, Replaced, "made anew for another copy-on-write driver"); err != nil {
			return false, err
		}
	}
	return false, nil
}

// makeShared makes the tree at the target's shared path, or returns errPathHeld.
func (c *Cache) makeShared(ctx context.Context, req Request, info contentInfo, st *step) (made, error) {
	lock, err := c.lockContent(ctx, req, info, flock.Exclusive, st)
	if err != nil {
		return made{}, err
	}
	defer lock.Unlock()
	if gone, err := c.clearShared(req.Target, info.version); !gone || err != nil {
		return made{}, err
	}
	s, err := c.stage("the shared tree of target " + req.Target.String())
	if err != nil {
		return made{}, err
	}
	defer s.discard()
	m, err := c.obtain(ctx, s, req, info, baseKey(req.Target), true, st)
	if err != nil {
		return made{}, err
	}
	st.begin("publishing", 0)
	r := info.record(KindShared, sharedKey(req.Target), req)
	r.Place, r.ReadOnly = req.Target.String(), true
	return m, c.publishShared(ctx, s, m.into(r))
}

// clearShared reports whether a shared tree of v has to be made. It returns
// errPathHeld if runs hold what stands at the shared path and cannot be had any
// more: another version, or a tree that was tampered with. The caller has v's
// content lock.
func (c *Cache) clearShared(t targetID, v version) (bool, error) {
	old, err := c.current(sharedKey(t))
	if err != nil || old == nil {
		return true, err
	}
	if old.version() == v {
		bad := c.suspicion(old)
		if bad == "" {
			return false, nil
		}
		gone, err := c.convict(old, bad)
		if !gone && err == nil {
			err = errPathHeld
		}
		return gone, err
	}
	h, err := c.held(old.Key)
	if h != nil && err == nil {
		err = errPathHeld // before anything is downloaded for a path that is taken
	}
	return true, err
}

// obtain puts one version of a target into s: from the entry sibling if that has
// it, from the store otherwise, and writes its manifest. The caller has the
// exclusive content lock, which guards the sibling too.
func (c *Cache) obtain(ctx context.Context, s *staging, req Request, info contentInfo, sibling key, readOnly bool, st *step) (made, error) {
	r, err := c.sibling(ctx, req, info, sibling)
	if err != nil {
		return made{}, err
	}
	var m made
	switch {
	case r != nil:
		if m, err = c.clone(ctx, s, r, readOnly, st); err == nil {
			err = c.linkObject(s, r)
		}
	case info.stale:
		err = errStoreDown(req)
	default:
		if m, err = c.fetch(ctx, s, info.Info, req, st); err == nil {
			err = s.root.Chmod(objectName, 0o444)
		}
	}
	if err != nil || m.content != treeName {
		return m, err
	}
	st.begin("writing down what it is", 0)
	list, err := survey(ctx, s.root, treeName, readOnly)
	if err != nil {
		return made{}, err
	}
	if err := s.need(ctx, amount{list.disk(), 1}); err != nil {
		return made{}, err
	}
	m.manifest, m.bytes = true, m.bytes+list.disk()
	return m, list.save(c.root(), s.id)
}

// sibling returns the entry k, a base also where it stands aside, if it has
// info's version and nobody changed anything in it.
func (c *Cache) sibling(ctx context.Context, req Request, info contentInfo, k key) (r *record, err error) {
	if k == baseKey(req.Target) {
		r, err = c.currentBase(req.Target, info.version)
	} else if r, err = c.current(k); r != nil && (r.version() != info.version || r.Tampered != "") {
		r = nil
	}
	if r == nil || err != nil {
		return nil, err
	}
	bad, err := c.altered(ctx, r, 0)
	if bad != "" {
		c.suspect(r, bad)
		r = nil
	}
	return r, err
}
