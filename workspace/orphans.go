package workspace

import (
	"fmt"
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

// roll is a list of executions, each of them once.
type roll struct {
	all []Owner
	at  map[Owner]int // in all
}

// add puts o on the list, if need be, and returns where it is.
func (r *roll) add(o Owner) int {
	if at, listed := r.at[o]; listed {
		return at
	}
	if r.at == nil {
		r.at = map[Owner]int{}
	}
	r.at[o] = len(r.all)
	r.all = append(r.all, o)
	return len(r.all) - 1
}

// fates are what became of the executions on a roll.
type fates struct {
	roll
	became []Fate
}

// of returns what became of o's run, if that was asked.
func (f *fates) of(o Owner) (fate Fate, asked bool) {
	at, asked := f.at[o]
	if !asked {
		return Fate{}, false
	}
	return f.became[at], true
}

// open reports whether o's run is known to be open.
func (f *fates) open(o Owner) bool {
	fate, _ := f.of(o)
	return fate.State == RunOpen
}

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
	owners := roll{at: make(map[Owner]int, len(g.holds))}
	type old struct {
		owner int
		name  string
	}
	var olds []old // holds that are to be renewed if their owner's run is open
	for _, all := range g.holds {
		for name, h := range all {
			if h.Entry != "" || h.Kept != nil {
				continue
			}
			for o := range h.owners() {
				if !c.known(o) {
					continue
				}
				owner := owners.add(o)
				if h.renewed.Before(stale) {
					olds = append(olds, old{owner, name})
				}
			}
		}
	}
	if len(owners.all) == 0 {
		return nil
	}
	top, err := c.root().Open(holdsDir)
	if err != nil {
		return err
	}
	defer top.Close()
	s.fates = fates{owners, c.states.Fates(s.ctx, owners.all)}
	unknown := 0
	var why error
	for _, f := range s.fates.became {
		if f.State == RunUnknown {
			unknown++
			why = f.Why
		}
	}
	var open []string // names of holds of runs that are open
	for _, o := range olds {
		if s.fates.became[o.owner].State == RunOpen && !s.opts.DryRun {
			open = append(open, o.name)
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
	for o := range h.owners() {
		f, _ := s.fates.of(o)
		if f.State != RunClosed || !f.Closed.IsZero() && s.asked.Sub(f.Closed) < s.c.grace {
			return ""
		}
	}
	f, _ := s.fates.of(h.Owner)
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
	return h.Kept == nil && h.Entry == "" && h.any(s.fates.open) || !s.c.expired(h)
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
			if f, _ := s.fates.of(h.Owner); h.KeepOnFailure && f.Failed {
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
