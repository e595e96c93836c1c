package workspace

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// derive makes in s what the entry of r holds: a view by the driver if it is a
// tree, a copy if it is a file. Whoever calls has r's content lock, so that
// nobody removes the entry meanwhile.
func (c *Cache) derive(ctx context.Context, s *staging, r *record, readOnly bool, st *step) (made, error) {
	st.begin("waiting for room in the cache", 0)
	if err := s.need(ctx, r.Bytes); err != nil {
		return made{}, err
	}
	st.begin("copying", r.Bytes)
	place, err := c.root().OpenRoot(r.Place)
	if err != nil {
		return made{}, err
	}
	defer place.Close()
	m := made{content: r.Content, omitted: r.Omitted, driver: "copy"}
	if r.Content == objectName {
		m.bytes, m.inodes = r.Bytes, 1
		return m, copyObject(ctx, place, s.root, readOnly, st)
	}
	base, err := place.OpenRoot(treeName)
	if err != nil {
		return made{}, err
	}
	defer base.Close()
	job := driver.Job{
		Base: base, Size: driver.Usage{Bytes: r.Bytes, Inodes: r.Inodes}, Dir: s.root, Name: treeName,
		Progress: func(n int64) { st.done.Store(n) },
	}
	modes := driver.WritableModes
	if readOnly {
		modes = driver.ReadOnlyModes
	}
	u, err := driver.Clone(ctx, job, modes)
	m.bytes, m.inodes = u.Bytes, u.Inodes
	return m, err
}

func copyObject(ctx context.Context, from, to *os.Root, readOnly bool, st *step) error {
	in, err := from.Open(objectName)
	if err != nil {
		return err
	}
	defer in.Close()
	mode := os.FileMode(0o644)
	if readOnly {
		mode = 0o444
	}
	out, err := to.OpenFile(objectName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = copyCounting(ctx, out, in, st)
	if err == nil {
		err = out.Chmod(mode) // whatever the umask
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

// linkObject lets the entry that s makes show the object that r's entry keeps:
// both names are the cache's own and read-only, so one file may have both. It is
// r's all the same: accounted there, and gone everywhere when r's goes.
func (c *Cache) linkObject(s *staging, r *record) error {
	if r.Object == 0 || r.Content == objectName {
		return nil
	}
	err := c.root().Link(path.Join(r.Place, objectName), s.at(objectName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed by hand; a tree can do without its object
	}
	return err
}

// unlinkObject removes the other name of the object that r's entry keeps. The
// caller has the content lock, which guards the sibling too.
func (c *Cache) unlinkObject(r *record) error {
	if r.Object == 0 || r.Content == objectName || r.Kind == KindRun {
		return nil
	}
	siblings := []key{sharedKey(r.Target)}
	if r.Kind == KindShared {
		siblings = []key{baseKey(r.Target), asideKey(r.Target, r.version())}
	}
	for _, k := range siblings {
		o, err := c.current(k)
		if err != nil {
			return err
		}
		if o != nil && o.version() == r.version() && o.Object == 0 {
			c.trash(path.Join(o.Place, objectName))
		}
	}
	return nil
}

// contentBase returns the record of a base of version v, making it if there is
// none, and a lock that keeps it. fetched says that this call downloaded it.
func (c *Cache) contentBase(ctx context.Context, req Request, info contentInfo, st *step) (r *record, lock *flock.Lock, fetched bool, err error) {
	work := "base " + contentLock(req.Target, info.version)
	for range contentTries {
		lock, err := flock.Acquire(ctx, c.root(), contentLock(req.Target, info.version), flock.Shared,
			func() { st.begin("waiting for another process that fetches the same target", 0) })
		if err != nil {
			return nil, nil, false, err
		}
		r, err := c.currentBase(req.Target, info.version)
		if r != nil && err == nil {
			c.touch(r)
			return r, lock, fetched, nil
		}
		lock.Unlock()
		if err != nil {
			return nil, nil, false, err
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

// currentBase returns the record of the base of v, wherever it stands.
func (c *Cache) currentBase(t targetID, v version) (*record, error) {
	for _, k := range []key{baseKey(t), asideKey(t, v)} {
		r, err := c.current(k)
		if err != nil {
			return nil, err
		}
		if r != nil && r.version() == v {
			return r, nil
		}
	}
	return nil, nil
}

func (c *Cache) makeBase(ctx context.Context, req Request, info contentInfo, st *step) (made, error) {
	lock, err := flock.Acquire(ctx, c.root(), contentLock(req.Target, info.version), flock.Exclusive,
		func() { st.begin("waiting for another process that fetches the same target", 0) })
	if err != nil {
		return made{}, err
	}
	defer lock.Unlock()
	if r, err := c.currentBase(req.Target, info.version); r != nil || err != nil {
		return made{}, err
	}
	s, err := c.stage("the base of target " + req.Target.String())
	if err != nil {
		return made{}, err
	}
	defer s.discard()
	m, err := c.obtain(ctx, s, req, info, sharedKey(req.Target), false, st)
	if err != nil {
		return made{}, err
	}
	st.begin("publishing", 0)
	r := info.record(KindBase, baseKey(req.Target), req)
	r.Place = path.Join(req.Target.String(), baseName)
	return m, c.publishBase(ctx, s, m.into(r, c.boot))
}

// makeShared makes the tree at the target's shared path, or returns errPathHeld.
func (c *Cache) makeShared(ctx context.Context, req Request, info contentInfo, st *step) (made, error) {
	lock, err := flock.Acquire(ctx, c.root(), contentLock(req.Target, info.version), flock.Exclusive,
		func() { st.begin("waiting for another process that fetches the same target", 0) })
	if err != nil {
		return made{}, err
	}
	defer lock.Unlock()
	old, err := c.current(sharedKey(req.Target))
	if err != nil || old != nil && old.version() == info.version {
		return made{}, err
	}
	if old != nil {
		if h, err := c.held(old.Key); err != nil {
			return made{}, err
		} else if h != nil {
			return made{}, errPathHeld // before anything is downloaded for a path that is taken
		}
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
	return m, c.publishShared(ctx, s, m.into(r, c.boot))
}

// obtain puts one version of a target into s: from the entry sibling if that has
// it, from the store otherwise. The caller has the exclusive content lock, which
// guards the sibling too.
func (c *Cache) obtain(ctx context.Context, s *staging, req Request, info contentInfo, sibling key, readOnly bool, st *step) (made, error) {
	var m made
	r, err := c.current(sibling)
	if err != nil {
		return made{}, err
	}
	if sibling == baseKey(req.Target) && (r == nil || r.version() != info.version) {
		if r, err = c.current(asideKey(req.Target, info.version)); err != nil {
			return made{}, err
		}
	}
	if r != nil && r.version() == info.version {
		if m, err = c.derive(ctx, s, r, readOnly, st); err == nil {
			err = c.linkObject(s, r)
		}
		m.driver = ""
		return m, err
	}
	if info.stale {
		return made{}, errStoreDown(req)
	}
	if m, err = c.fetch(ctx, s, info.Info, req.Extract, st); err != nil {
		return made{}, err
	}
	if err := s.root.Chmod(objectName, 0o444); err != nil {
		return made{}, err
	}
	if readOnly && m.content == treeName {
		if err := makeReadOnly(ctx, s.root, treeName); err != nil {
			return made{}, err
		}
	}
	st.begin("syncing", 0)
	return m, s.seal(ctx)
}
