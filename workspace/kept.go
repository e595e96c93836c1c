package workspace

import (
	"context"
	"errors"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/flock"
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
	lock, err := flock.Acquire(ctx, c.root(), runLock(k), flock.Shared, nil)
	if err != nil {
		return time.Time{}, diskError("keep workspace", path, err)
	}
	defer c.heed(k) // a cleanup may meet the lock
	defer lock.Unlock()
	r, err := c.current(k)
	if r == nil || err != nil {
		return time.Time{}, diskError("keep workspace", path, err)
	}
	all, err := c.holds(k)
	if err != nil {
		return time.Time{}, diskError("keep workspace", path, err)
	}
	for name := range all {
		l, err := c.leaseOn(ctx, name)
		if l == nil || err != nil {
			return time.Time{}, diskError("keep workspace", path, err)
		}
		defer l.Release()
		until, err := c.markKept(ctx, name, l.f, r, "failed", c.now(), func(h hold) bool { return h.Entry == "" })
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
	fate, _ := s.fates.of(h.Owner)
	if s.over(h) == "" || !fate.Failed || !h.KeepOnFailure || !sameFile(f, lstat(c.root(), name)) {
		return true, nil // it is another execution's by now, which this sweep knows nothing of
	}
	since := fate.Closed
	if since.IsZero() {
		since = h.renewed
	}
	if s.asked.After(since.Add(c.holdLife())) {
		return false, nil
	}
	if s.opts.DryRun {
		return true, nil
	}
	_, err = c.markKept(s.ctx, name, f, r, fate.Status, since, func(now hold) bool { return now.Owner == h.Owner })
	return err == nil, err
}

// markKept writes into f, the hold name on r, that the workspace stays, if still is
// true of it. The caller has f locked.
func (c *Cache) markKept(ctx context.Context, name string, f *os.File, r *record, status string, since time.Time, still func(hold) bool) (time.Time, error) {
	until := time.Time{}
	var workflow string
	err := c.rewrite(ctx, name, f, func(h hold) (hold, bool) {
		if !still(h) {
			return h, false
		}
		until, workflow = since.Add(c.holdLife()), h.Owner.WorkflowID
		h.Kept = &kept{Status: status, Until: until}
		return h, true
	})
	if err != nil || until.IsZero() {
		return time.Time{}, err
	}
	c.log.Warn("the workspace of a failed run is kept", "path", c.abs(r.path()), "target_id", r.Target, "run_id", r.Run,
		"workflow_id", workflow, "status", status, "until", until.UTC().Format(time.RFC3339),
		"fix", "to remove it earlier: cordon cleanup "+c.abs(r.path()))
	c.event(event{Action: "keep", Key: r.Key, Path: path.Join(r.Place, r.Content), Bytes: r.total(), Reason: "its run " + status + " (keep_on_failure)"})
	return until, nil
}
