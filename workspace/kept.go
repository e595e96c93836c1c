package workspace

import (
	"context"
	"errors"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// kept says why what a run held stays although the run is over. It is written
// into the hold: Temporal forgets its runs.
type kept struct {
	Status string    `json:"status"`
	Until  time.Time `json:"until"`
}

// Keep makes the workspace of its own that a run has at path stay for people to look
// at, instead of a Cleanup: the run is about to fail, and wishes it. It returns until when: the time to live from now on. The zero time
// means that there is nothing to keep; what runs share stays anyway, for as long
// as the cache sees fit. If the run asks for the workspace again, it lives on.
func (c *Cache) Keep(ctx context.Context, path string) (until time.Time, err error) {
	k, shared, why := c.locate(path)
	if why != "" || shared {
		return time.Time{}, nil
	}
	all, err := c.holds(k)
	if err != nil {
		return time.Time{}, diskError("keep workspace", path, err)
	}
	for name, h := range all {
		if h.Entry != "" {
			continue
		}
		l, err := c.leaseOn(ctx, name)
		if l == nil || err != nil {
			return time.Time{}, diskError("keep workspace", path, err)
		}
		defer l.Release()
		r, err := c.current(k)
		if r == nil || err != nil {
			return time.Time{}, diskError("keep workspace", path, err)
		}
		until, err := c.markKept(l.f, h, r, "failed", c.now())
		return until, diskError("keep workspace", path, err)
	}
	return time.Time{}, nil
}

// keep makes the hold of a run that was found to have failed keep the run's own
// workspace until its time to live has passed since the run ended. It reports
// whether it does.
func (s *sweep) keep(name string, k key) (bool, error) {
	c := s.c
	r, err := c.readRecord(k)
	if r == nil || err != nil || r.Kind != KindRun {
		// Of a shared tree there is nothing to look at that the next run would not have too.
		if errors.Is(err, errUnreadable) {
			err = nil
		}
		return false, err
	}
	f, err := c.root().OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return false, ignoreGone(err)
	}
	defer f.Close()
	if err := flockNow(f, unix.LOCK_EX); err != nil {
		return true, ignoreBusy(err) // somebody works there: the next sweep keeps it
	}
	h, err := decodeHold(f)
	if err != nil {
		return false, err
	}
	fate := s.fates[h.Owner]
	since := fate.Closed
	if since.IsZero() {
		since = h.renewed
	}
	if s.asked.After(since.Add(c.holdLife())) || s.opts.DryRun {
		return s.opts.DryRun, nil
	}
	_, err = c.markKept(f, h, r, fate.Status, since)
	return err == nil, err
}

// markKept writes into f, the hold h on r, that the workspace stays. The caller has
// f locked.
func (c *Cache) markKept(f *os.File, h *hold, r *record, status string, since time.Time) (time.Time, error) {
	h.Kept = &kept{Status: status, Until: since.Add(c.holdLife())}
	if err := rewriteHold(f, *h); err != nil {
		return time.Time{}, err
	}
	c.log.Warn("the workspace of a failed run is kept", "path", c.abs(r.path()), "target", r.Target, "run", r.Run,
		"workflow_id", h.Owner.WorkflowID, "status", status, "until", h.Kept.Until.UTC().Format(time.RFC3339),
		"fix", "to remove it earlier: cordon cleanup "+c.abs(r.path()))
	c.event(event{Action: "keep", Key: r.Key, Path: path.Join(r.Place, r.Content), Bytes: r.total(), Reason: "its run " + status + " (keep_on_failure)"})
	return h.Kept.Until, nil
}
