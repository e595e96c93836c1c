package workspace

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// What a run holds is an orphan once the run is over and has not cleaned up: it
// was terminated, its worker died, or its cleanup did not get through. The lock
// on a hold does not tell that, for most runs' tools are other programs. So the
// sweep asks who knows, about every run that has a hold, all at once. What nobody
// can tell stays until the hold expires.

// kept says why what a run held stays although the run is over.
type kept struct {
	Status string    `json:"status"`
	Until  time.Time `json:"until"`
}

// known reports whether somebody knows if o's run is over.
func (c *Cache) known(o Owner) bool {
	return c.states != nil && o.Cluster != "" && o.Namespace != "" && o.RunID != ""
}

// ask asks what became of the runs that have holds. A run that is open renews
// its hold: what expires is what nobody could tell for long.
func (s *sweep) ask() error {
	c := s.c
	if c.states == nil {
		return nil
	}
	keys, err := c.list(holdsDir)
	if err != nil {
		return err
	}
	s.asked = c.now()
	holders := map[Owner][]string{} // names of holds
	var owners []Owner
	for _, k := range keys {
		all, err := c.holds(key(k))
		if err != nil {
			return err
		}
		for name, h := range all {
			if h.Entry != "" || h.Kept != nil || !c.known(h.Owner) {
				continue
			}
			if holders[h.Owner] == nil {
				owners = append(owners, h.Owner)
			}
			holders[h.Owner] = append(holders[h.Owner], name)
		}
	}
	if len(owners) == 0 {
		return nil
	}
	fates := c.states.Fates(s.ctx, owners)
	s.fates = make(map[Owner]Fate, len(owners))
	unknown := 0
	var why error
	for i, o := range owners {
		f := fates[i]
		s.fates[o] = f
		switch {
		case f.State == RunUnknown:
			unknown++
			why = f.Why
		case f.State == RunOpen && !s.opts.DryRun:
			for _, name := range holders[o] {
				_ = c.root().Chtimes(name, s.asked, s.asked) // gone, or as old as it was: asked again next time
			}
		}
	}
	if unknown > 0 {
		c.log.Warn("cannot find out whether runs are over; what they hold stays until it expires", "runs", unknown, "error", why)
	}
	return nil
}

// over says why h counts no more though it has not expired: its run is over, and
// has been for the grace. Otherwise it returns "".
func (s *sweep) over(h *hold) string {
	f := s.fates[h.Owner]
	if h.live || h.Entry != "" || h.Kept != nil || f.State != RunClosed || h.renewed.After(s.asked) {
		return ""
	}
	if f.Closed.IsZero() {
		return "its run is over (" + f.Status + ")"
	}
	ago := s.c.now().Sub(f.Closed)
	if ago < s.c.grace {
		return ""
	}
	return fmt.Sprintf("its run is over (%s, %s ago)", f.Status, ago.Round(time.Second))
}

// counts reports whether h keeps what it holds.
func (s *sweep) counts(h *hold) bool {
	if s.over(h) != "" {
		return false
	}
	// Who is open is not to lose anything because nobody could tell for a while.
	return h.Kept == nil && h.Entry == "" && s.fates[h.Owner].State == RunOpen || !s.c.expired(h)
}

// held reports whether a hold keeps k, and if none does, why one of them does not
// though it has not expired.
func (s *sweep) held(k key) (held bool, over string, err error) {
	all, err := s.c.holds(k)
	if err != nil {
		return false, "", err
	}
	for name, h := range all {
		if s.counts(h) {
			return true, "", nil
		}
		if why := s.over(h); why != "" {
			over = why
			if h.KeepOnFailure && s.fates[h.Owner].Failed {
				ok, err := s.keep(name, k)
				if ok || err != nil {
					s.keeps[name] = ok
					return true, "", err
				}
			}
		}
	}
	return false, over, nil
}

// keep makes the hold of a failed run keep the run's own workspace until its time
// to live has passed since the run ended. It is written down: Temporal forgets
// its runs.
func (s *sweep) keep(name string, k key) (bool, error) {
	c := s.c
	r, err := c.readRecord(k)
	if r == nil || err != nil || r.Kind != KindRun {
		return false, nil // of a shared tree there is nothing to look at that the next run would not have too
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
	h.Kept = &kept{Status: fate.Status, Until: since.Add(c.holdLife())}
	if c.now().After(h.Kept.Until) {
		return false, nil
	}
	if s.opts.DryRun {
		return true, nil
	}
	b, err := json.Marshal(h)
	if err != nil {
		return false, err
	}
	// In place, for the lock is on this file. What a crash leaves of it here cannot be
	// read, and counts until it expires.
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Truncate(int64(len(b)))
	}
	if err != nil {
		return false, err
	}
	c.log.Warn("the workspace of a failed run is kept", "path", c.abs(r.path()), "target", r.Target, "run", r.Run,
		"workflow_id", h.Owner.WorkflowID, "status", fate.Status, "until", h.Kept.Until.Format(time.RFC3339),
		"fix", "remove it earlier with: cordon cleanup "+c.abs(r.path()))
	c.event(event{Action: "keep", Key: k, Path: path.Join(r.Place, r.Content), Bytes: r.total(), Reason: "its run " + fate.Status + " (keep_on_failure)"})
	return true, nil
}
