package workspace

import (
	"context"
	"errors"
	"fmt"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/fsinfo"
)

// A run's own workspace may have a limit: workspace_max_size of its workflow, or
// CACHE_WORKSPACE_MAX. What the cache makes is refused before it is written; what
// the run writes is found out by measuring, by Watch while a tool works. The kept
// object counts, for it lies in the run's directory. Trees that runs share have no
// limit but the cache's.

// limitNames names the two settings, for people.
const limitNames = "workspace_max_size, CACHE_WORKSPACE_MAX"

const fixLimit = "raise workspace_max_size in the workflow's metadata.yaml, or the worker's CACHE_WORKSPACE_MAX where that says nothing"

// workspaceLimit returns the most bytes that the run's own workspace may take; 0: no
// limit.
func (c *Cache) workspaceLimit(req Request) (int64, error) {
	size := req.MaxSize
	if size.IsZero() {
		size = c.workspaceMax
	}
	if size.IsZero() || req.Mode == cordon.Shared {
		return 0, nil
	}
	space, err := fsinfo.SpaceAt(c.dir)
	if err != nil {
		return 0, err
	}
	return max(size.Of(space.Total), 1), nil
}

// within refuses an entry that would take more than its limit with so many bytes in
// all.
func (s *staging) within(bytes int64) error {
	if s.limit == 0 || bytes <= s.limit {
		return nil
	}
	return &cordon.Error{Kind: cordon.TargetTooLarge, Op: "make workspace",
		Err: fmt.Errorf("needs %s or more, and a run's own workspace may take %s (%s)", cordon.FormatBytes(bytes), cordon.FormatBytes(s.limit), limitNames),
		Fix: fixLimit}
}

// overLimit reports whether r's entry takes more than it may if it takes so many bytes.
func (r *record) overLimit(bytes int64) bool { return r.Limit > 0 && bytes > r.Limit }

// errOverLimit says that r's entry takes bytes, which is more than it may.
func (c *Cache) errOverLimit(r *record, bytes int64) error {
	return &cordon.Error{Kind: cordon.TargetTooLarge, Op: "use workspace", Name: c.abs(r.path()),
		Err: fmt.Errorf("it has grown to %s, and may take %s (%s)", cordon.FormatBytes(bytes), cordon.FormatBytes(r.Limit), limitNames),
		Fix: "delete what the run does not need from it, clean it up, or " + fixLimit}
}

// refuse returns an error if r's entry, which was over its limit when it was
// measured last, still is. The caller has the run's lock.
func (c *Cache) refuse(ctx context.Context, r *record) error {
	if !r.Growth.Over {
		return nil
	}
	inTime, cancel := context.WithTimeout(ctx, measureLongest)
	defer cancel()
	e, err := c.measure(inTime, r)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r.overLimit(e.total()):
		return c.errOverLimit(r, e.total())
	case errors.Is(err, context.DeadlineExceeded):
		return c.errOverLimit(r, r.total())
	}
	return err
}

// tellLimit says that r's entry is over its limit now, or no longer.
func (c *Cache) tellLimit(r *record) {
	e := event{Action: "over limit", Key: r.Key, Path: r.path(), Bytes: r.total(), Reason: "it may take " + cordon.FormatBytes(r.Limit)}
	args := []any{"path", c.abs(r.path()), "target_id", r.Target, "run_id", r.Run, "bytes", r.total(), "limit", r.Limit}
	if r.Growth.Over {
		c.log.Warn("a run's workspace is over its limit ("+limitNames+")", args...)
	} else {
		e.Action = "within limit"
		c.log.Info("a run's workspace is within its limit again", args...)
	}
	c.event(e)
}
