package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"

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
	ctx, done := c.observer.Begin(ctx, Work{Kind: WorkGet, Target: req.Target, Run: req.Run.String(), Workflow: req.Owner.WorkflowID, Mode: cmp.Or(req.Mode, cordon.Isolated)})
	ws, err := c.getTold(ctx, req)
	done(Done{Err: err, Bytes: ws.Bytes, Hit: ws.Hit, Driver: ws.Driver})
	return ws, err
}

// getTold is Get, and logs what came of it.
func (c *Cache) getTold(ctx context.Context, req Request) (Workspace, error) {
	req.Extract = cmp.Or(req.Extract, archive.Auto)
	ws, err := c.get(ctx, req)
	if full(err) && c.relieve(ctx, err) || lacking(err) && c.rebuild() == nil {
		ws, err = c.get(ctx, req)
	}
	if lacking(err) {
		err = &cordon.Error{Kind: cordon.Busy, Err: err, Fix: "let whoever removes files from CACHE_DIR come to an end"}
	}
	if err != nil {
		err = diskError("use cache", c.dir, err)
		return Workspace{}, &cordon.Error{Kind: cordon.KindOf(err), Op: "get target", Name: fmt.Sprintf("%q", req.Target.String()), Err: err}
	}
	if ws.Hit {
		c.log.Info("Cache HIT", "target_id", ws.Target, "run_id", ws.Run, "workflow_id", req.Owner.WorkflowID, "mode", ws.Mode, "path", ws.Path)
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
		if req.Mode != cordon.Shared {
			return c.getRun(ctx, req, st)
		}
		for range contentTries {
			ws, err := c.getShared(ctx, req, st)
			switch {
			case errors.Is(err, errPathHeld):
				return c.getRun(ctx, req, st)
			case !errors.Is(err, errRunBusy):
				return ws, err
			}
			if ws, err := c.afterOther(ctx, req, st); ws != nil || err != nil {
				return orZero(ws), err
			}
		}
		return Workspace{}, errThrashing
	})
}

// afterOther waits for whoever makes or removes a directory of the run's own, and
// returns what the run has then, or nil.
func (c *Cache) afterOther(ctx context.Context, req Request, st *step) (*Workspace, error) {
	k := runKey(req.Target, req.Run)
	lock, err := flock.Acquire(ctx, c.root(), runLock(k), flock.Shared, func() { st.begin("waiting for another attempt of the run", 0) })
	if err != nil {
		return nil, err
	}
	lock.Unlock()
	c.heed(k) // a cleanup may have met the lock
	return c.handedOut(ctx, req)
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
