package workspace

import (
	"context"
	"errors"
	"fmt"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// What a run has already: the same run asking again gets the same path and the
// same content, if that is still there.

// handedOut returns what the run has already, or nil if it has nothing or its
// workspace is being made or removed at the moment.
func (c *Cache) handedOut(ctx context.Context, req Request) (*Workspace, error) {
	k := runKey(req.Target, req.Run)
	r, err := c.current(k)
	if r != nil && err == nil {
		ws, busy, err := c.handedOwn(ctx, req, k)
		if ws != nil || busy || err != nil {
			return ws, err
		}
	}
	if req.Mode != cordon.Shared || err != nil {
		return nil, err
	}
	return c.handedShared(ctx, req)
}

// handedOwn returns the run's own entry, if nobody makes or removes it at the
// moment. As makeRun, it looks afterwards for a cleanup that met its lock.
func (c *Cache) handedOwn(ctx context.Context, req Request, k key) (ws *Workspace, busy bool, err error) {
	lock, err := flock.Try(c.root(), runLock(k), flock.Shared)
	if lock == nil || err != nil {
		return nil, true, err
	}
	if c.buried(k) != nil {
		lock.Unlock()
		return nil, true, nil // who makes it afresh carries the cleanup out
	}
	ws, err = c.ownEntry(ctx, req)
	lock.Unlock()
	if stone := c.buried(k); stone != nil {
		return nil, true, errors.Join(stone, c.obey(k))
	}
	return ws, false, err
}

// handedShared returns the shared tree if the run holds it.
func (c *Cache) handedShared(ctx context.Context, req Request) (*Workspace, error) {
	k := sharedKey(req.Target)
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
	if held, err := c.renew(ctx, holdFile(k, req.Run), c.holdOf(req)); !held || err != nil {
		return nil, err
	}
	defer c.letGo(k, req)
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
		c.log.Warn("the run has a workspace of this target already, made in another mode", "path", c.abs(r.path()), "target_id", r.Target, "run_id", r.Run, "workflow_id", req.Owner.WorkflowID, "mode", r.Mode, "asked", req.Mode)
	}
	if err := c.refuse(ctx, r); err != nil {
		return nil, err
	}
	if err := c.hold(ctx, r.Key, req); err != nil {
		return nil, err
	}
	c.letGo(r.Key, req)
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
	c.log.Warn("a run's workspace is lost and made anew", "path", c.abs(r.path()), "target_id", r.Target, "run_id", r.Run, "reason", lost)
	return lost, c.remove(r, Lost, lost)
}
