package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/target"
)

type targetID = cordon.TargetID

// contentTries is how often Get makes a shared tree or a base anew that was
// evicted before it could be used, or whose object was replaced while it was
// read. More than once in a row means a cache much too small for its load.
const contentTries = 5

var errThrashing = &cordon.Error{Kind: cordon.Busy, Op: "use cached target",
	Err: errors.New("it was evicted or replaced again and again before it could be used"),
	Fix: "raise CACHE_MAX_SIZE, or run fewer workflows at once"}

func errStoreDown(req Request) error {
	return &cordon.Error{Kind: cordon.StorageUnavailable, Op: "fetch target", Name: req.Target.String(),
		Err: errors.New("the object store cannot be reached, and the cache no longer has the target"),
		Fix: "try again when the store is back"}
}

// contentInfo is one version of a target as the store described it.
type contentInfo struct {
	target.Info
	version
	stale bool
}

func (i contentInfo) record(kind Kind, k key, req Request) *record {
	return &record{Key: k, Kind: kind, Target: req.Target, Mode: req.Mode, ETag: i.version.etag, Policy: req.Extract}
}

// Get returns the workspace of a run, making it if it is not there. The same run
// asking again gets the same path and content, whatever happened to the object
// meanwhile; several callers at once, in this process or another, share the
// work. The path stays valid until Cleanup, or until a sweep finds that the run
// is closed or its hold has expired.
//
// When ctx ends by its deadline the work goes on for up to ten minutes, and the
// next Get joins it. When ctx is cancelled, Get returns once the work has
// stopped, or at once if others want the work too.
//
// Errors are *cordon.Error of every kind in CONTRACT §1.3, or wrap ctx's error.
func (c *Cache) Get(ctx context.Context, req Request) (Workspace, error) {
	req.Extract = cmp.Or(req.Extract, archive.Auto)
	ws, err := c.get(ctx, req)
	if err != nil {
		err = diskError("use cache", c.dir, err)
		return Workspace{}, &cordon.Error{Kind: cordon.KindOf(err), Op: "get target", Name: fmt.Sprintf("%q", req.Target.String()), Err: err}
	}
	if ws.Hit {
		c.log.Info("Cache HIT", "target", ws.Target, "run", ws.Run, "mode", ws.Mode, "path", ws.Path)
	}
	return ws, nil
}

func (c *Cache) get(ctx context.Context, req Request) (Workspace, error) {
	switch {
	case req.Target.IsZero() || req.Run.IsZero():
		return Workspace{}, &cordon.Error{Kind: cordon.InvalidArgument, Err: errors.New("a target id and a run id are needed"), Fix: "name both"}
	case c.store == nil:
		return Workspace{}, &cordon.Error{Kind: cordon.InvalidArgument, Err: errors.New("the cache was opened without an object store"), Fix: "configure a store"}
	}
	mode, err := cordon.ParseMode(string(req.Mode))
	if err != nil {
		return Workspace{}, err
	}
	req.Mode = mode
	if err := c.revive(); err != nil {
		return Workspace{}, err
	}
	if ws, err := c.handedOut(req); ws != nil || err != nil {
		return orZero(ws), err
	}
	if req.Mode != cordon.Shared {
		return c.getRun(ctx, req)
	}
	st := &step{stage: "waiting"}
	return reporting(ctx, st, req.Progress, func(ctx context.Context) (Workspace, error) {
		ws, err := c.getShared(ctx, req, st)
		if errors.Is(err, errPathHeld) {
			return c.getRun(ctx, req)
		}
		return ws, err
	})
}

// handedOut returns what the run has already, or nil.
func (c *Cache) handedOut(req Request) (*Workspace, error) {
	r, err := c.current(runKey(req.Target, req.Run))
	if err != nil {
		return nil, err
	}
	if r != nil && r.ReadOnly && req.Mode != cordon.Shared {
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "check workspace_isolation",
			Err: fmt.Errorf("the run has this target read-only (shared) at %s, where a workspace of its own (%s) would be", c.abs(r.path()), req.Mode),
			Fix: "clean that up first, or ask with another run_id"}
	}
	if r != nil && (r.ReadOnly || req.Mode != cordon.Shared) {
		if r.Mode != req.Mode {
			c.log.Warn("the run has a workspace of this target already, made in another mode", "path", c.abs(r.path()), "mode", r.Mode, "asked", req.Mode)
		}
		if err := c.hold(r.Key, req.Run, req.Owner); err != nil {
			return nil, err
		}
		return c.stillThere(r.Key, req)
	}
	if req.Mode != cordon.Shared {
		return nil, nil
	}
	k := sharedKey(req.Target)
	r, err = c.current(k)
	if r == nil || err != nil || !c.renew(holdFile(k, req.Run)) {
		return nil, err
	}
	return c.stillThere(k, req)
}

// stillThere answers with the entry k, which the run holds by now. It looks
// again, for until then the entry may have been removed.
func (c *Cache) stillThere(k key, req Request) (*Workspace, error) {
	r, err := c.current(k)
	if r == nil || err != nil {
		return nil, err
	}
	return c.answer(r, req, false), nil
}

// answer describes r's entry to the run that asked, and counts as a use of it.
func (c *Cache) answer(r *record, req Request, fetched bool) *Workspace {
	c.touch(r)
	return &Workspace{
		Path: c.abs(r.path()), Target: req.Target, Run: req.Run, Mode: req.Mode, Driver: r.Driver, ETag: r.ETag,
		Bytes: r.total(), Omitted: r.Omitted, Hit: !fetched, ReadOnly: r.ReadOnly,
	}
}

// getShared returns the shared tree, or errPathHeld.
func (c *Cache) getShared(ctx context.Context, req Request, st *step) (Workspace, error) {
	k := sharedKey(req.Target)
	info, err := c.describe(ctx, req, func() (*record, error) { return c.current(k) })
	if err != nil {
		return Workspace{}, err
	}
	fetched := false
	for range contentTries {
		r, err := c.holdShared(ctx, req, info, st)
		if err != nil {
			return Workspace{}, err
		}
		if r != nil {
			ws := c.answer(r, req, fetched)
			ws.Stale = info.stale
			return *ws, nil
		}
		m, err := c.makeOnce(ctx, "shared "+contentLock(req.Target, info.version), st, func(ctx context.Context, st *step) (made, error) {
			return c.makeShared(ctx, req, info, st)
		})
		if target.IsReplaced(err) {
			if info, err = c.describe(ctx, req, nil); err == nil {
				continue
			}
		}
		if err != nil {
			return Workspace{}, err
		}
		fetched = fetched || m.fetched
	}
	return Workspace{}, errThrashing
}

// holdShared makes the run hold the shared tree of info's version, or returns
// nil if that is not there. The lock keeps the tree from being evicted between
// the look at it and the hold.
func (c *Cache) holdShared(ctx context.Context, req Request, info contentInfo, st *step) (*record, error) {
	lock, err := flock.Acquire(ctx, c.root(), contentLock(req.Target, info.version), flock.Shared,
		func() { st.begin("waiting for another process that fetches the same target", 0) })
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	k := sharedKey(req.Target)
	r, err := c.current(k)
	if r == nil || err != nil || r.version() != info.version {
		return nil, err
	}
	return r, c.hold(k, req.Run, req.Owner)
}

// makeOnce shares work between the callers of this process; a caller whose
// leader failed tries once itself, unless it would fail the same way.
func (c *Cache) makeOnce(ctx context.Context, work string, st *step, do func(context.Context, *step) (made, error)) (made, error) {
	own := c.steps.of(work)
	st.via.Store(own)
	defer st.via.Store(nil)
	for tried := false; ; tried = true {
		m, joined, err := c.contents.Do(ctx, work, func(ctx context.Context) (made, error) {
			defer c.steps.drop(work)
			return do(ctx, own)
		})
		if joined {
			m.fetched = false
			if err != nil && ctx.Err() == nil && !tried && cordon.KindOf(err).Retryable() && !errors.Is(err, errPathHeld) && !target.IsReplaced(err) {
				continue
			}
		}
		return m, err
	}
}

// getRun returns a workspace of the run's own.
func (c *Cache) getRun(ctx context.Context, req Request) (Workspace, error) {
	work := string(runKey(req.Target, req.Run))
	st := c.steps.of(work)
	return reporting(ctx, st, req.Progress, func(ctx context.Context) (Workspace, error) {
		ws, joined, err := c.runs.Do(ctx, work, func(ctx context.Context) (Workspace, error) {
			defer c.steps.drop(work)
			return c.makeRun(ctx, req, st)
		})
		if joined && err == nil {
			ws.Hit = true
		}
		return ws, err
	})
}

func (c *Cache) makeRun(ctx context.Context, req Request, st *step) (Workspace, error) {
	k := runKey(req.Target, req.Run)
	lock, err := flock.Acquire(ctx, c.root(), runLock(k), flock.Exclusive,
		func() { st.begin("waiting for another process that makes this run's workspace", 0) })
	if err != nil {
		return Workspace{}, err
	}
	defer lock.Unlock()
	// A stone that stands here was meant for somebody before us.
	c.unbury(k)
	if ws, err := c.handedOut(req); ws != nil || err != nil {
		return orZero(ws), err
	}
	for range contentTries {
		ws, err := c.tryRun(ctx, req, st)
		if !target.IsReplaced(err) {
			return ws, err
		}
	}
	return Workspace{}, errThrashing
}

func (c *Cache) tryRun(ctx context.Context, req Request, st *step) (Workspace, error) {
	k := runKey(req.Target, req.Run)
	st.begin("asking the object store", 0)
	var have func() (*record, error)
	if req.Mode != cordon.Isolated {
		have = func() (*record, error) { return c.current(baseKey(req.Target)) }
	}
	info, err := c.describe(ctx, req, have)
	if err != nil {
		return Workspace{}, err
	}
	s, err := c.stage("run " + req.Run.String() + " of target " + req.Target.String())
	if err != nil {
		return Workspace{}, err
	}
	defer s.discard()

	var m made
	if req.Mode == cordon.Isolated {
		m, err = c.fetch(ctx, s, info.Info, req.Extract, st)
	} else {
		m, err = c.viewOfBase(ctx, s, req, info, st)
	}
	if err != nil {
		return Workspace{}, err
	}
	st.begin("publishing", 0)
	r := info.record(KindRun, k, req)
	r.Run, r.Place = req.Run.String(), path.Join(req.Target.String(), req.Run.String())
	r.ReadOnly = req.Mode == cordon.Shared
	if err := c.publishRun(ctx, s, m.into(r, c.boot), req); err != nil {
		return Workspace{}, err
	}
	ws := c.answer(r, req, m.fetched)
	ws.Stale = info.stale
	return *ws, nil
}

func (c *Cache) viewOfBase(ctx context.Context, s *staging, req Request, info contentInfo, st *step) (made, error) {
	base, lock, fetched, err := c.contentBase(ctx, req, info, st)
	if err != nil {
		return made{}, err
	}
	defer lock.Unlock()
	m, err := c.derive(ctx, s, base, req.Mode == cordon.Shared, st)
	m.fetched = fetched
	return m, err
}

// publishRun publishes a run's workspace unless the run was cleaned up
// meanwhile. The hold comes before the record, so that a sweep never sees a
// run's entry that nobody holds.
func (c *Cache) publishRun(ctx context.Context, s *staging, r *record, req Request) error {
	if err := c.buried(r.Key); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := c.hold(r.Key, req.Run, req.Owner)
	if err == nil {
		err = c.publish(s, r)
	}
	if err != nil {
		c.dropAll(r.Key)
		return err
	}
	// A stone laid after the first look would otherwise be seen by nobody.
	if err := c.buried(r.Key); err != nil {
		c.unbury(r.Key)
		return errors.Join(err, c.remove(r, "cleaned up while it was being made"))
	}
	return nil
}

// describe asks the store for the target's version of the moment.
func (c *Cache) describe(ctx context.Context, req Request, have func() (*record, error)) (contentInfo, error) {
	if have == nil {
		have = func() (*record, error) { return nil, nil }
	}
	info, stale, err := c.stat(ctx, req, have)
	return contentInfo{info, version{info.ETag, req.Extract}, stale}, err
}
