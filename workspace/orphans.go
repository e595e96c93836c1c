package workspace

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// What a run holds is an orphan once the run is over and has not cleaned up: it
// was terminated, its worker died, or its cleanup did not get through. The lock
// on a hold does not tell that, for most runs' tools are other programs. So the
// sweep asks who knows, about every run that has a hold, all at once. What nobody
// can tell stays until the hold expires.

// known reports whether some Temporal knows if o's run is over.
func (o Owner) known() bool { return o.Cluster != "" && o.Namespace != "" && o.RunID != "" }

// known reports whether that Temporal can be asked.
func (c *Cache) known(o Owner) bool { return c.states != nil && o.known() }

// renewShare is the part of a hold's life by which it may be too old: renewing every
// hold at every sweep would be most of what a sweep writes.
const renewShare = 64

// ask asks what became of the runs that have holds. A run that is open renews
// its hold: what expires is what nobody could tell for long.
func (s *sweep) ask() error {
	c := s.c
	if c.states == nil {
		return nil
	}
	s.asked = c.now()
	g, err := s.glance()
	if err != nil {
		return err
	}
	stale := s.asked.Add(-c.holdLife() / renewShare)
	holders := map[Owner][]string{} // names of the holds that are to be renewed if it is open
	var owners []Owner
	for _, all := range g.holds {
		for name, h := range all {
			if h.Entry != "" || h.Kept != nil {
				continue
			}
			for _, o := range h.owners() {
				if !c.known(o) {
					continue
				}
				if _, listed := holders[o]; !listed {
					owners = append(owners, o)
					holders[o] = nil
				}
				if h.renewed.Before(stale) {
					holders[o] = append(holders[o], name)
				}
			}
		}
	}
	if len(owners) == 0 {
		return nil
	}
	top, err := c.root().Open(holdsDir)
	if err != nil {
		return err
	}
	defer top.Close()
	fates := c.states.Fates(s.ctx, owners)
	s.fates = make(map[Owner]Fate, len(owners))
	unknown := 0
	var why error
	var open []string // names of holds of runs that are open
	for i, o := range owners {
		f := fates[i]
		s.fates[o] = f
		switch {
		case f.State == RunUnknown:
			unknown++
			why = f.Why
		case f.State == RunOpen && !s.opts.DryRun:
			open = append(open, holders[o]...)
		}
	}
	err = abreast(len(open), func(i int) error {
		_ = setTime(top, strings.TrimPrefix(open[i], holdsDir+"/"), s.asked) // gone, or as old as it was: asked again next time
		return nil
	})
	if unknown > 0 {
		c.log.Warn("cannot find out whether runs are over; what they hold stays until it expires", "runs", unknown, "error", why)
	}
	return err
}

// over says why h counts no more though it has not expired: its run is over, and
// has been for the grace. Otherwise it returns "". All parts of a sweep have to
// agree on that, so it is as it was when the sweep asked.
func (s *sweep) over(h *hold) string {
	if h.live || h.Entry != "" || h.Kept != nil || h.renewed.After(s.asked) {
		return ""
	}
	for _, o := range h.owners() {
		f := s.fates[o]
		if f.State != RunClosed || !f.Closed.IsZero() && s.asked.Sub(f.Closed) < s.c.grace {
			return ""
		}
	}
	f := s.fates[h.Owner]
	if f.Closed.IsZero() {
		return "its run is over (" + f.Status + ")"
	}
	return fmt.Sprintf("its run is over (%s, %s ago)", f.Status, s.asked.Sub(f.Closed).Round(time.Second))
}

// counts reports whether h keeps what it holds.
func (s *sweep) counts(h *hold) bool {
	if s.over(h) != "" {
		return false
	}
	// Who is open is not to lose anything because nobody could tell for a while.
	open := func(o Owner) bool { return s.fates[o].State == RunOpen }
	return h.Kept == nil && h.Entry == "" && slices.ContainsFunc(h.owners(), open) || !s.c.expired(h)
}

// held reports whether a hold keeps k, and if none does, why one of them does not
// though it has not expired.
func (s *sweep) held(k key) (held bool, over string, err error) {
	if held, err := s.stays(k); held || err != nil {
		return held, "", err
	}
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
