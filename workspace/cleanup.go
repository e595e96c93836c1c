package workspace

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
)

// Caller says for whom a Cleanup is.
type Caller struct {
	Run   string // the run whose hold on a shared tree ends
	Owner Owner  // the execution that calls; ends the holds that it took under other run ids too
}

// has reports whether h is the caller's to end: its own run's, or taken by an
// execution of the same chain. An earlier one of the chain is closed by now.
func (by Caller) has(h *hold) bool {
	return by.names(h) || h.any(by.Owner.sameChain)
}

// names reports whether the caller's run is the one that h is of by its name.
func (by Caller) names(h *hold) bool { return by.Run != "" && h.Run == by.Run }

// sameChain reports whether o and w are the same execution, or of the same chain.
func (o Owner) sameChain(w Owner) bool {
	if o.Cluster != w.Cluster || o.Namespace != w.Namespace {
		return false
	}
	return o.RunID != "" && o.RunID == w.RunID || o.FirstRunID != "" && o.FirstRunID == w.FirstRunID
}

// Cleanup ends what a run has at path. What happens depends on what the cache
// recorded about path, and on nothing else (CONTRACT §1.4): a run's own
// directory is removed, the caller's hold on a shared tree ends, and anything
// that the cache did not hand out is left alone. It never waits for others and
// returns before the files are deleted, in time that does not depend on their
// number.
//
// The error is a defect of the disk. That path is wrong, unknown or gone is none:
// Cleaned says so.
func (c *Cache) Cleanup(ctx context.Context, path string, by Caller) (Cleaned, error) {
	ctx, done := c.observer.Begin(ctx, Work{Kind: WorkCleanup, Run: by.Run, Workflow: by.Owner.WorkflowID, Path: path})
	res, err := c.cleanupTold(ctx, path, by)
	done(Done{Err: err, Bytes: res.Bytes, Outcome: res.Outcome})
	return res, err
}

func (c *Cache) cleanupTold(ctx context.Context, path string, by Caller) (Cleaned, error) {
	if ctx.Err() != nil {
		return Cleaned{Outcome: Unknown, Path: path, Reason: "cancelled"}, ctx.Err()
	}
	if err := c.revive(); err != nil {
		return Cleaned{Outcome: Unknown, Path: path}, err
	}
	res, err := c.cleanup(ctx, path, by)
	if lacking(err) && c.rebuild() == nil {
		res, err = c.cleanup(ctx, path, by)
	}
	res.Path = path
	return res, diskError("clean up", path, err)
}

func (c *Cache) cleanup(ctx context.Context, path string, by Caller) (Cleaned, error) {
	k, shared, why := c.locate(path)
	if why != "" {
		return c.unknown(path, why), nil
	}
	if shared {
		return c.cleanupShared(ctx, k, path, by)
	}
	return c.cleanupRun(k, path, by)
}

func (c *Cache) unknown(path, why string) Cleaned {
	c.log.Warn("cleanup of a path that the cache did not hand out: nothing was deleted", "path", path, "reason", why)
	return Cleaned{Outcome: Unknown, Path: path, Reason: why}
}

// locate finds the entry whose place is path: the directory itself, or what was
// handed out in it. It looks at the text only; what is done goes by the record
// of the entry, through the cache's own root, which follows no link out.
func (c *Cache) locate(path string) (k key, shared bool, why string) {
	if !filepath.IsAbs(path) {
		return "", false, "it is not an absolute path"
	}
	if strings.Contains(path, "/../") || strings.HasSuffix(path, "/..") {
		return "", false, "it contains '..'"
	}
	rel, ok := "", false
	for _, dir := range []string{c.dir, c.realDir()} {
		if rel, ok = strings.CutPrefix(filepath.Clean(path), dir+"/"); ok {
			break
		}
	}
	if !ok {
		return "", false, "it is not below the cache directory " + c.dir
	}
	parts := strings.Split(rel, "/")
	t, err := cordon.ParseTargetID(parts[0])
	if err != nil {
		return "", false, err.Error()
	}
	content := func(s string) bool { return s == treeName || s == objectName }
	switch {
	case len(parts) == 1, len(parts) == 2 && content(parts[1]):
		return sharedKey(t), true, ""
	case len(parts) == 3 && !content(parts[2]), len(parts) > 3:
		return "", false, "it is inside of a workspace, or was never one"
	}
	r, err := cordon.ParseRunID(parts[1])
	if err != nil {
		return "", false, err.Error()
	}
	return runKey(t, r), false, ""
}

// cleanupShared ends the caller's hold. Deleting is the eviction's business.
func (c *Cache) cleanupShared(ctx context.Context, k key, path string, by Caller) (Cleaned, error) {
	r, err := c.readRecord(k)
	if err != nil && !errors.Is(err, errUnreadable) {
		return Cleaned{}, err
	}
	if r == nil {
		return c.unknown(path, "the cache has no shared tree there"), nil
	}
	all, err := c.holds(k)
	if err != nil {
		return Cleaned{}, err
	}
	dropped := 0
	for name, h := range all {
		if !by.has(h) {
			continue
		}
		shared, err := c.disown(ctx, name, h, by)
		if err != nil {
			return Cleaned{}, err
		}
		if shared || c.drop(name) {
			dropped++
		}
	}
	if dropped > 0 {
		c.relax(r) // where this was the last hold
	}
	c.log.Info("Skipping cleanup for shared workspace", "path", c.abs(r.path()), "target_id", r.Target, "run_id", by.Run, "workflow_id", by.Owner.WorkflowID, "holds_ended", dropped, "holds_left", len(all)-dropped)
	if dropped == 0 {
		return Cleaned{Outcome: Kept, Reason: "it is shared, and the caller held nothing of it"}, nil
	}
	return Cleaned{Outcome: Released, Reason: fmt.Sprintf("it is shared: the caller's hold ended, %d others have it", len(all)-dropped)}, nil
}

// disown takes the caller out of those who asked for the hold name, h, where that is
// of a run of another name and others asked for it too. It reports whether it did:
// otherwise the hold is the caller's alone.
func (c *Cache) disown(ctx context.Context, name string, h *hold, by Caller) (bool, error) {
	if by.names(h) || !h.any(func(o Owner) bool { return !by.Owner.sameChain(o) }) {
		return false, nil
	}
	l, err := c.leaseOn(ctx, name)
	if l == nil || err != nil {
		return false, err
	}
	defer l.Release()
	done := false
	err = c.rewrite(ctx, name, l.f, func(now hold) (hold, bool) {
		others := slices.DeleteFunc(slices.Collect(now.owners()), by.Owner.sameChain)
		if now.Run == unreadable || len(others) == 0 {
			return now, false
		}
		now.Owner, now.Earlier, done = others[0], others[1:], true
		return now, true
	})
	return done, err
}

func (c *Cache) cleanupRun(k key, path string, by Caller) (Cleaned, error) {
	res, err := c.tryCleanupRun(k, path, by)
	if res != nil || err != nil {
		return orZero(res), err
	}
	// Somebody has the run's lock: it is being made, or being removed.
	if err := c.bury(k); err != nil {
		return Cleaned{}, err
	}
	// Whoever had the lock may have let go before it could see the stone.
	if res, err = c.tryCleanupRun(k, path, by); res != nil || err != nil {
		c.unbury(k)
		return orZero(res), err
	}
	return Cleaned{Outcome: Scheduled, Reason: "it is being made at the moment, and will be thrown away"}, nil
}

// tryCleanupRun removes the run's entry, or returns nil if somebody has its lock.
func (c *Cache) tryCleanupRun(k key, path string, by Caller) (*Cleaned, error) {
	lock, err := flock.Try(c.root(), runLock(k), flock.Exclusive)
	if lock == nil || err != nil {
		return nil, err
	}
	defer lock.Unlock()
	r, err := c.readRecord(k)
	if err != nil && !errors.Is(err, errUnreadable) {
		return nil, err
	}
	if r == nil {
		res := c.unknown(path, "the cache has no workspace there (any more)")
		return &res, nil
	}
	pin, err := c.endRun(r)
	if err != nil {
		return nil, err
	}
	if pin != nil {
		c.log.Info("a workspace stays after its cleanup", "path", c.abs(r.path()), "target_id", r.Target, "run_id", r.Run, "workflow_id", by.Owner.WorkflowID, "why", pin.words())
		return &Cleaned{Outcome: Kept, Reason: "the run's hold ended; its directory stays, " + pin.words()}, nil
	}
	c.log.Info("removed workspace", "path", c.abs(r.path()), "target_id", r.Target, "run_id", r.Run, "workflow_id", by.Owner.WorkflowID, "bytes", r.total())
	return &Cleaned{Outcome: Removed, Reason: "the run's directory is gone", Bytes: r.total()}, nil
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
