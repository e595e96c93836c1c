package workspace

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/target"
)

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
	if req.Mode == cordon.Shared { // another attempt may have been given the shared path, free again meanwhile
		if ws, err := c.handedShared(ctx, req); ws != nil || err != nil {
			return orZero(ws), err
		}
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
	if s.limit, err = c.workspaceLimit(req); err != nil {
		return Workspace{}, err
	}

	var m made
	if req.Mode == cordon.Isolated {
		m, err = c.fetch(ctx, s, info.Info, req, st)
	} else {
		m, err = c.viewOfBase(ctx, s, req, info, st)
	}
	if err != nil {
		return Workspace{}, err
	}
	st.begin("publishing", 0)
	r := info.record(KindRun, k, req)
	r.Run, r.Place = req.Run.String(), path.Join(req.Target.String(), req.Run.String())
	r.ReadOnly, r.Limit = req.Mode == cordon.Shared, s.limit
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
	err := c.hold(ctx, r.Key, req)
	if err == nil {
		err = c.publish(s, r)
		c.letGo(r.Key, req)
	}
	if err != nil {
		c.dropAll(r.Key)
		return err
	}
	return nil
}
