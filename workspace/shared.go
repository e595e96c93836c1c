package workspace

import (
	"context"
	"errors"

	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/target"
)

// getShared returns the shared tree, errPathHeld, or errRunBusy.
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
		m, err := c.makeOnce(ctx, sharedWork(req, info), st, func(ctx context.Context, st *step) (made, error) {
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
	lock, err := c.shareContent(ctx, req, info, sharedWork(req, info), st)
	if lock == nil || err != nil {
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
	if err := c.holdOnly(ctx, k, req); err != nil {
		return nil, err
	}
	c.syncSoon(holdFile(k, req.Run))
	return r, c.guard(ctx, r)
}

// errRunBusy says that a directory of the run's own is being made, or removed.
var errRunBusy = errors.New("another attempt of the run is under way")

// holdOnly makes the run hold the shared tree k, unless the run has a path of its
// own for the same content: a run gets one path. That is errPathHeld then, as where
// the shared path is taken. The run's lock is only tried, for the caller has the
// content lock, which comes after it: if somebody has it, that is errRunBusy.
func (c *Cache) holdOnly(ctx context.Context, k key, req Request) error {
	own := runKey(req.Target, req.Run)
	lock, err := flock.Try(c.root(), runLock(own), flock.Shared)
	if err != nil {
		return err
	}
	if lock == nil {
		return errRunBusy
	}
	defer c.heed(own)
	defer lock.Unlock()
	r, err := c.current(own)
	if err != nil {
		return err
	}
	if r != nil && r.ReadOnly {
		return errPathHeld
	}
	defer c.letGo(k, req)
	return c.hold(ctx, k, req)
}
