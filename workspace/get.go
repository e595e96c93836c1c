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
	"github.com/cordonlabs/cordon/workspace/driver"
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
	if ws, err := c.handedOut(ctx, req); ws != nil || err != nil {
		return orZero(ws), err
	}
	st := &step{stage: "waiting"}
	return reporting(ctx, st, req.Progress, func(ctx context.Context) (Workspace, error) {
		if req.Mode == cordon.Shared {
			ws, err := c.getShared(ctx, req, st)
			if !errors.Is(err, errPathHeld) {
				return ws, err
			}
		}
		return c.getRun(ctx, req, st)
	})
}

// handedOut returns what the run has already, or nil if it has nothing or its
// workspace is being made or removed at the moment.
func (c *Cache) handedOut(ctx context.Context, req Request) (*Workspace, error) {
	k := runKey(req.Target, req.Run)
	if r, err := c.current(k); err != nil {
		return nil, err
	} else if r != nil {
		lock, err := flock.Try(c.root(), runLock(k), flock.Shared)
		if lock == nil || err != nil {
			return nil, err
		}
		defer lock.Unlock()
		if c.buried(k) != nil {
			return nil, nil // who makes it afresh carries the cleanup out
		}
		if ws, err := c.ownEntry(ctx, req); ws != nil || err != nil {
			return ws, err
		}
	}
	if req.Mode != cordon.Shared {
		return nil, nil
	}
	k = sharedKey(req.Target)
	r, err := c.current(k)
	if r == nil || err != nil || lstat(c.root(), holdFile(k, req.Run)) == nil {
		return nil, err
	}
	lock, err := flock.Acquire(ctx, c.root(), r.lock(), flock.Shared, nil)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	now, err := c.current(k)
	if now == nil || err != nil || now.Staging != r.Staging {
		return nil, err
	}
	if held, err := c.renew(ctx, holdFile(k, req.Run)); !held || err != nil {
		return nil, err
	}
	return c.answer(now, req, false), c.guard(ctx, now)
}

// ownEntry returns the entry at the run's own path if it is what req asks for, and
// nil if there is none. A live entry is never replaced by one of another kind.
// The caller has the run's lock, shared at least.
func (c *Cache) ownEntry(ctx context.Context, req Request) (*Workspace, error) {
	r, err := c.current(runKey(req.Target, req.Run))
	if r == nil || err != nil || c.attached(r) != nil {
		return nil, err
	}
	switch shared := req.Mode == cordon.Shared; {
	case r.ReadOnly && !shared:
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "check workspace_isolation",
			Err: fmt.Errorf("the run has this target read-only (shared) at %s, where a workspace of its own (%s) would be", c.abs(r.path()), req.Mode),
			Fix: "clean that up first, or ask with another run_id"}
	case !r.ReadOnly && shared:
		return nil, nil
	case r.Mode != req.Mode:
		c.log.Warn("the run has a workspace of this target already, made in another mode", "path", c.abs(r.path()), "mode", r.Mode, "asked", req.Mode)
	}
	if err := c.hold(ctx, r.Key, req.Run, req.Owner); err != nil {
		return nil, err
	}
	return c.answer(r, req, false), nil
}

// answer describes r's entry to the run that asked, and counts as a use of it.
func (c *Cache) answer(r *record, req Request, fetched bool) *Workspace {
	c.touch(r)
	ws := &Workspace{
		Path: c.abs(r.path()), Target: req.Target, Run: req.Run, Mode: req.Mode, Driver: r.Driver, ETag: r.ETag,
		Bytes: r.total(), Omitted: r.Omitted, Hit: !fetched, ReadOnly: r.ReadOnly,
	}
	if r.Tampered != "" {
		ws.Notes = append(ws.Notes, "somebody changed this tree since the run got it: "+r.Tampered)
	}
	return ws
}

// getShared returns the shared tree, or errPathHeld.
func (c *Cache) getShared(ctx context.Context, req Request, st *step) (Workspace, error) {
	info, err := c.describe(ctx, req)
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
			if info, err = c.describe(ctx, req); err == nil {
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
	if ok, err := c.sound(ctx, r); !ok || err != nil {
		return nil, err
	}
	if err := c.hold(ctx, k, req.Run, req.Owner); err != nil {
		return nil, err
	}
	c.syncSoon(holdFile(k, req.Run))
	return r, c.guard(ctx, r)
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
func (c *Cache) getRun(ctx context.Context, req Request, st *step) (Workspace, error) {
	work := string(runKey(req.Target, req.Run))
	own := c.steps.of(work)
	st.via.Store(own)
	for range contentTries {
		ws, joined, err := c.runs.Do(ctx, work, func(ctx context.Context) (Workspace, error) {
			defer c.steps.drop(work)
			return c.makeRun(ctx, req, own)
		})
		if !joined || err != nil {
			return ws, err
		}
		// Another caller's wish was carried out; see whether it is this one's too.
		if ws, err := c.handedOut(ctx, req); ws != nil || err != nil {
			return orZero(ws), err
		}
	}
	return Workspace{}, errThrashing
}

// makeRun makes the run's workspace under the run's lock. Afterwards it looks
// for a cleanup that met the lock and left a stone: whichever of the two is
// later carries the cleanup out.
func (c *Cache) makeRun(ctx context.Context, req Request, st *step) (Workspace, error) {
	k := runKey(req.Target, req.Run)
	lock, err := flock.Acquire(ctx, c.root(), runLock(k), flock.Exclusive,
		func() { st.begin("waiting for another process that makes this run's workspace", 0) })
	if err != nil {
		return Workspace{}, err
	}
	ws, err := c.makeRunLocked(ctx, req, st)
	lock.Unlock()
	if stone := c.buried(k); stone != nil {
		return Workspace{}, errors.Join(stone, c.obey(k))
	}
	return ws, err
}

func (c *Cache) makeRunLocked(ctx context.Context, req Request, st *step) (Workspace, error) {
	if err := c.obeyLocked(runKey(req.Target, req.Run)); err != nil {
		return Workspace{}, err
	}
	lost, err := c.revisit(ctx, runKey(req.Target, req.Run))
	if err != nil {
		return Workspace{}, err
	}
	if ws, err := c.ownEntry(ctx, req); ws != nil || err != nil {
		return orZero(ws), err
	}
	r, err := c.current(runKey(req.Target, req.Run))
	if err != nil {
		return Workspace{}, err
	}
	if r != nil {
		return Workspace{}, &cordon.Error{Kind: cordon.Busy, Op: "find a path",
			Err: fmt.Errorf("the shared path belongs to runs that have another version, and the run's own path %s to its writable workspace", c.abs(r.path())),
			Fix: "clean that workspace up first, wait for the other runs to end, or ask with another run_id"}
	}
	for range contentTries {
		ws, err := c.tryRun(ctx, req, st)
		if !target.IsReplaced(err) {
			if lost != "" {
				ws.Notes = append(ws.Notes, "this is a fresh workspace, the run's earlier one is lost: "+lost)
			}
			return ws, err
		}
	}
	return Workspace{}, errThrashing
}

// revisit looks at what the run has: a view that is no longer mounted is mounted
// again, and what cannot be used any more is removed; lost says why. The caller
// has the run's lock.
func (c *Cache) revisit(ctx context.Context, k key) (lost string, err error) {
	r, err := c.readRecord(k)
	if r == nil || err != nil || r.State != complete {
		if errors.Is(err, errUnreadable) {
			err = nil
		}
		return "", err
	}
	if lost = c.missing(r); lost == "" {
		err = c.attached(r)
		if errors.Is(err, driver.ErrDetached) {
			err = c.reattach(ctx, r)
		}
		if !errors.Is(err, driver.ErrBroken) {
			return "", err
		}
		lost = err.Error()
	}
	c.log.Warn("a run's workspace is lost and made anew", "path", c.abs(r.path()), "target", r.Target, "run", r.Run, "reason", lost)
	return lost, c.remove(r, lost)
}

func (c *Cache) tryRun(ctx context.Context, req Request, st *step) (Workspace, error) {
	k := runKey(req.Target, req.Run)
	st.begin("asking the object store", 0)
	info, err := c.describe(ctx, req)
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
	if err := c.publishRun(ctx, s, m.into(r), req); err != nil {
		if m.view != nil {
			c.drop(holdName(m.view.Base, s.id))
		}
		return Workspace{}, err
	}
	ws := c.answer(r, req, m.fetched)
	ws.Stale, ws.Notes = info.stale, append(ws.Notes, m.notes...)
	return *ws, nil
}

func (c *Cache) viewOfBase(ctx context.Context, s *staging, req Request, info contentInfo, st *step) (made, error) {
	base, lock, fetched, err := c.contentBase(ctx, req, info, st)
	if err != nil {
		return made{}, err
	}
	defer lock.Unlock()
	var m made
	if req.Mode == cordon.Shared {
		m, err = c.clone(ctx, s, base, true, st)
	} else {
		m, err = c.view(ctx, s, base, req, st)
	}
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
	err := c.hold(ctx, r.Key, req.Run, req.Owner)
	if err == nil {
		err = c.publish(s, r)
	}
	if err != nil {
		c.dropAll(r.Key)
		return err
	}
	return nil
}

// describe asks the store for the target's version of the moment. With the store
// down it answers with the newest version that the cache has, where that is
// enough, and says that it may be stale.
func (c *Cache) describe(ctx context.Context, req Request) (contentInfo, error) {
	info, err := c.store.Stat(ctx, req.Target)
	if err == nil {
		return contentInfo{info, version{info.ETag, req.Extract}, false}, nil
	}
	if cordon.KindOf(err) != cordon.StorageUnavailable || req.Mode == cordon.Isolated || ctx.Err() != nil {
		return contentInfo{}, err
	}
	r, cerr := c.newest(req)
	if r == nil || cerr != nil {
		return contentInfo{}, errors.Join(err, cerr)
	}
	c.log.Warn("the object store cannot be reached; serving what the cache has", "target", req.Target, "etag", r.ETag, "error", err)
	return contentInfo{target.Info{ID: req.Target, ETag: r.ETag}, r.version(), true}, nil
}

// newest returns the record of the shared tree or base of the target that was
// made last, or nil.
func (c *Cache) newest(req Request) (newest *record, err error) {
	all, _, err := c.records()
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		fits := (r.Kind == KindShared || r.Kind == KindBase) && r.Tampered == "" && r.Target == req.Target && r.Policy == req.Extract && r.State == complete && c.missing(r) == ""
		if fits && (newest == nil || r.Created.After(newest.Created)) {
			newest = r
		}
	}
	return newest, nil
}
