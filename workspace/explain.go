package workspace

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
)

// Explanation says why an entry stays, or why it would go.
type Explanation struct {
	Verdict string `json:"verdict"` // for people: "kept because …", "would go at the next sweep because …"
	Stays   bool   `json:"stays"`   // the next sweep leaves it

	Entry    Entry         `json:"entry"`
	Holders  []HolderState `json:"holders"`           // those whose hold is over, too
	TTL      int64         `json:"ttl_seconds"`       // CACHE_TTL; 0: none
	TTLLeft  int64         `json:"ttl_left_seconds"`  // until it would go for want of use; 0 too where it has no such time
	Eviction Eviction      `json:"eviction"`          // what would happen if room were needed
	Limits   Usage         `json:"limits"`            // how much room there is
	Missing  string        `json:"missing,omitempty"` // why it cannot be used any more
}

// HolderState is a holder, and why its hold counts or does not.
type HolderState struct {
	Holder
	For   string `json:"for,omitempty"` // key of the entry whose view needs this one
	Ended bool   `json:"ended"`         // it counts no more, and ends with the next sweep
	State string `json:"state"`         // for people
}

// Eviction says whether an entry may make room for others.
type Eviction struct {
	Possible bool   `json:"possible"`
	Why      string `json:"why,omitempty"`  // it is not
	Rank     int    `json:"rank,omitempty"` // 1 goes first, once kept objects are gone
	Of       int    `json:"of,omitempty"`   // entries that may go
	Object   int64  `json:"object_bytes"`   // what its kept object could give before
}

// Explain says why the entry that name means, as for Find, is kept or would go.
// Unlike Find it knows entries, too, that cannot be used any more and wait for a
// sweep. It asks Options.Runs about the runs that hold it.
func (c *Cache) Explain(ctx context.Context, name string) (Explanation, error) {
	r, err := c.find(name, func(*record) bool { return true })
	if err != nil {
		return Explanation{}, err
	}
	x, err := c.explain(ctx, r)
	return x, diskError("explain entry", name, err)
}

func (c *Cache) explain(ctx context.Context, r *record) (x Explanation, err error) {
	x.TTL = int64(c.ttl.Seconds())
	s := &sweep{c: c, ctx: ctx, opts: SweepOptions{DryRun: true}, keeps: map[string]bool{}, stands: map[string]bool{}}
	pins, err := c.pins()
	if err == nil {
		x.Entry, err = c.entry(r, pins)
	}
	if err == nil {
		x.Holders, err = s.holderStates(r)
	}
	if err == nil {
		x.Limits, err = c.usage(ctx)
	}
	if err != nil {
		return x, err
	}
	if r.State == complete {
		x.Missing = c.missing(r)
	}
	if c.ttl > 0 && r.Kind != KindRun && x.Entry.Pin == nil {
		// The slack is no time of the people's: what was just used has all of CACHE_TTL.
		x.TTLLeft = int64(min(max(r.lastUsed.Add(c.ttl+useSlack).Sub(c.now()), 0), c.ttl).Seconds())
	}
	squeezed, err := c.explainEviction(ctx, r, &x)
	if err != nil {
		return x, err
	}
	_, why, err := s.doomed(r)
	if err != nil {
		return x, err
	}
	why = cmp.Or(why, squeezed)
	if x.Stays = why == ""; x.Stays {
		x.Verdict = "kept because " + c.staysBecause(r, &x)
	} else {
		x.Verdict = "would go at the next sweep because " + why
	}
	if r.Kind == KindQuarantine || r.Tampered != "" {
		x.Verdict += "; no new run gets it, for it was tampered with"
	}
	return x, nil
}

// staysBecause returns the first reason for r's entry to stay.
func (c *Cache) staysBecause(r *record, x *Explanation) string {
	if r.State != complete {
		return "it is being published"
	}
	if x.Entry.Pin != nil {
		return "it is " + x.Entry.Pin.words()
	}
	for _, h := range x.Holders {
		if !h.Ended {
			if n := len(x.Entry.Holders); n > 1 {
				return fmt.Sprintf("%d runs hold it", n)
			}
			// What keeps Temporal from an answer is said of the holder.
			state, _, cut := strings.Cut(h.State, fateUnknown+": ")
			if cut {
				state += fateUnknown
			}
			return "run " + h.Run + " holds it: " + state
		}
	}
	if c.ttl > 0 && r.Kind != KindRun {
		return fmt.Sprintf("it was used within CACHE_TTL (%s)", roughly(c.ttl))
	}
	return "nothing takes it away but the need for room"
}

// roughly renders a duration in the units that people set it in: "7d", "36h", "90m".
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// fateUnknown is what is said of a hold whose run may be over or not.
const fateUnknown = "whether its run is over is unknown"

// holderStates returns who holds r and what is known of them. It asks what became
// of their runs.
func (s *sweep) holderStates(r *record) ([]HolderState, error) {
	all, err := s.c.holds(r.Key)
	if err != nil {
		return nil, err
	}
	holds := slices.SortedFunc(maps.Values(all), func(a, b *hold) int { return a.Since.Compare(b.Since) })
	s.askOf(holds)
	list := make([]HolderState, 0, len(holds))
	for _, h := range holds {
		list = append(list, HolderState{Holder: s.c.holder(h), For: string(h.Entry), Ended: !s.counts(h), State: s.holdWords(h)})
	}
	return list, nil
}

// askOf asks what became of the runs of holds, all at once, and changes nothing.
func (s *sweep) askOf(holds []*hold) {
	s.asked = s.c.now()
	var owners roll
	for _, h := range holds {
		for o := range h.owners() {
			if h.Entry == "" && h.Kept == nil && s.c.known(o) {
				owners.add(o)
			}
		}
	}
	s.fates = fates{roll: owners}
	if len(owners.all) > 0 {
		s.fates.became = s.c.states.Fates(s.ctx, owners.all)
	}
}

// holdWords says why a hold counts, or does not, for people.
func (s *sweep) holdWords(h *hold) string {
	c := s.c
	switch {
	case h.Entry != "" && c.hasView(h):
		return "the view of its workspace needs this"
	case h.Entry != "":
		return "the view that needed this is gone"
	case h.Kept != nil:
		return "its run " + h.Kept.Status + ", and wishes to keep what it had (keep_on_failure)"
	}
	open := h.any(s.fates.open)
	words := ""
	switch {
	case h.live:
		words = "a living process has it; "
	case h.Bound:
		words = "the process that it ended with is gone; "
	case c.expired(h) && !open: // who is open is never too old
		words = "it has expired; "
	}
	f, asked := s.fates.of(h.Owner)
	switch {
	case h.Owner == (Owner{}):
		return words + "no Temporal knows its run: it ends by cleanup or expiry"
	case !asked:
		return words + "Temporal was not asked about its run"
	case f.State == RunOpen:
		return words + "its run is open"
	case open:
		return words + "an earlier execution of its run is open"
	case f.State == RunUnknown && f.Why != nil:
		return words + fateUnknown + ": " + f.Why.Error()
	case f.State == RunUnknown:
		return words + fateUnknown
	case f.Closed.IsZero():
		return words + "its run is over (" + f.Status + ")"
	}
	words += "its run is over since " + f.Closed.UTC().Format(time.RFC3339) + " (" + f.Status + ")"
	if s.over(h) == "" && !h.live {
		words += ", and its grace (CACHE_GRACE) is not"
	}
	return words
}

// explainEviction fills in x.Eviction. It returns why the next sweep evicts r's
// entry, or "".
func (c *Cache) explainEviction(ctx context.Context, r *record, x *Explanation) (squeezed string, err error) {
	lock, err := c.lookAtAccounts(ctx)
	if err != nil {
		return "", err
	}
	a, err := c.account(nil, true, nil)
	lock.Unlock()
	if err != nil {
		return "", err
	}
	e := &x.Eviction
	switch h, err := c.held(r.Key); {
	case err != nil:
		return "", err
	case r.State != complete:
		e.Why = "it is not complete"
	case x.Entry.Pin != nil:
		e.Why = "it is pinned"
	case h != nil:
		e.Why = "runs hold it"
	default:
		e.Possible = true
	}
	if r.spareObject() && x.Entry.Pin == nil {
		e.Object = r.Object
	}
	over := amount{max(a.used()-a.limit, a.disk(amount{}).bytes-a.trash.bytes), a.disk(amount{}).inodes - a.trash.inodes}
	why := "the cache is over its limit (CACHE_MAX_SIZE)"
	if a.used() <= a.limit {
		why = "the disk has less free than is to stay free (CACHE_MIN_FREE)"
	}
	byUse, err := c.evictable(a.records)
	if err != nil {
		return "", err
	}
	for _, o := range byUse {
		if o.spareObject() {
			over = over.minus(amount{o.Object, 1})
		}
	}
	for _, o := range byUse {
		if h, err := c.held(o.Key); h != nil || err != nil {
			if err != nil {
				return "", err
			}
			continue
		}
		e.Of++
		if o.Key == r.Key {
			e.Rank = e.Of
			if over.any() {
				squeezed = fmt.Sprintf("%s, and it is number %d of those that nobody needs", why, e.Rank)
			}
		}
		size := o.size()
		if o.spareObject() {
			size = size.minus(amount{o.Object, 1})
		}
		over = over.minus(size)
	}
	return squeezed, nil
}

// String renders what an entry could give, for people.
func (e Eviction) String() string {
	words := "cannot be evicted: " + e.Why
	if e.Possible {
		words = fmt.Sprintf("may be evicted, as number %d of %d", e.Rank, e.Of)
	}
	if e.Object > 0 {
		words += "; its kept object could give " + cordon.FormatBytes(e.Object) + " before"
	}
	return words
}
