package dashboard

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/people"
	"github.com/cordonlabs/cordon/workspace"
)

// Entries is a page of what is in the cache.
type Entries struct {
	Entries []EntryRow `json:"entries"`
	Paging  Paging     `json:"paging"`
	Bytes   int64      `json:"bytes"` // of all that the filter takes
	All     int        `json:"all"`   // entries in the cache
}

// EntryRow is an entry, and why it is kept as far as the cache alone can tell; the entry's
// own page asks Temporal.
type EntryRow struct {
	workspace.Entry
	Why   string `json:"why"`
	Stays bool   `json:"stays"`
}

// The states that entries are filtered by.
var states = map[string]func(workspace.Entry) bool{
	"held":       func(e workspace.Entry) bool { return len(e.Holders) > 0 },
	"unheld":     func(e workspace.Entry) bool { return len(e.Holders) == 0 && e.Pin == nil },
	"pinned":     func(e workspace.Entry) bool { return e.Pin != nil },
	"over-limit": func(e workspace.Entry) bool { return e.OverLimit },
	"tampered":   func(e workspace.Entry) bool { return e.Tampered != "" },
}

// The orders of entries.
var orders = map[string]func(a, b workspace.Entry) int{
	"size":   func(a, b workspace.Entry) int { return cmp.Compare(b.Bytes, a.Bytes) },
	"used":   func(a, b workspace.Entry) int { return b.LastUsed.Compare(a.LastUsed) },
	"age":    func(a, b workspace.Entry) int { return a.Created.Compare(b.Created) },
	"target": func(a, b workspace.Entry) int { return strings.Compare(a.Path, b.Path) },
}

func (d *Dashboard) entriesPage(r *http.Request) (any, error) {
	all, err := d.entries.get(r.Context())
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	state, known := states[q.Get("state")]
	if !known && q.Get("state") != "" {
		return nil, unknownChoice("state", q.Get("state"), states)
	}
	order, known := orders[cmp.Or(q.Get("sort"), "used")]
	if !known {
		return nil, unknownChoice("sort", q.Get("sort"), orders)
	}
	find, kind := strings.ToLower(strings.TrimSpace(q.Get("q"))), q.Get("kind")
	var taken []workspace.Entry
	p := Entries{All: len(all)}
	for _, e := range all {
		if kind != "" && string(e.Kind) != kind || state != nil && !state(e) || find != "" && !mentions(e, find) {
			continue
		}
		taken = append(taken, e)
		p.Bytes += e.Bytes
	}
	slices.SortStableFunc(taken, order)
	rows, paging, err := paged(r, taken, pageSize)
	if err != nil {
		return nil, err
	}
	p.Entries, p.Paging = make([]EntryRow, 0, len(rows)), paging
	for _, e := range rows {
		row := EntryRow{Entry: e}
		row.Why, row.Stays = d.why(e)
		p.Entries = append(p.Entries, row)
	}
	return p, nil
}

func unknownChoice[V any](name, value string, choices map[string]V) error {
	var known []string
	for k := range choices {
		known = append(known, k)
	}
	slices.Sort(known)
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "show " + name, Name: fmt.Sprintf("%.40q", value),
		Err: fmt.Errorf("there is no such %s", name), Fix: "choose one of " + strings.Join(known, ", ")}
}

// mentions reports whether an entry is one that somebody means who looks for text, which is
// in small letters.
func mentions(e workspace.Entry, text string) bool {
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	return has(e.Target.String()) || has(e.Run) || has(e.Key) || has(e.Path) ||
		slices.ContainsFunc(e.Holders, func(h workspace.Holder) bool { return has(h.Run) || has(h.Owner.WorkflowID) })
}

// why says what keeps an entry, by what the cache has written down of it.
func (d *Dashboard) why(e workspace.Entry) (words string, stays bool) {
	switch n := len(e.Holders); {
	case e.Pin != nil && e.Pin.Reason != "":
		return "pinned by " + e.Pin.By + ": " + e.Pin.Reason, true
	case e.Pin != nil:
		return "pinned by " + e.Pin.By, true
	case n > 1:
		return people.Count(n, "run", "runs") + " hold it", true
	case n == 1 && e.Holders[0].Kept != "":
		return "its run " + e.Holders[0].Kept + ", and keeps it until " + e.Holders[0].Expires.Local().Format("2 Jan 15:04"), true
	case n == 1 && e.Holders[0].Live:
		return "held, and a living process has it", true
	case n == 1:
		return "held by a run", true
	case e.Kind == workspace.KindRun:
		return "no run holds it: it goes at the next sweep", false
	case d.opts.TTL <= 0:
		return "nothing takes it away but the need for room", true
	}
	left := e.Expires.Sub(d.now())
	if left <= 0 {
		return "nobody has used it for CACHE_TTL: it goes at the next sweep", false
	}
	return "used lately; goes " + people.Until(e.Expires, d.now()) + " if nobody asks for it", true
}

// EntryPage is one entry, and why it is kept.
type EntryPage struct {
	workspace.Explanation
	Room   string            `json:"eviction_words"` // of Eviction
	Events []workspace.Event `json:"events"`         // the latest first
	Can    Can               `json:"can"`
}

// Can says what can be done with an entry.
type Can struct {
	Pin     bool `json:"pin"`
	Unpin   bool `json:"unpin"`
	GiveUp  bool `json:"give_up"` // what its run found and nobody has saved: unpin does that
	Cleanup bool `json:"cleanup"`
}

func (d *Dashboard) entryPage(r *http.Request) (any, error) {
	x, err := d.opts.Cache.Explain(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	p := EntryPage{Explanation: x, Room: x.Eviction.String(), Events: []workspace.Event{}}
	// What is owed to the store is nobody's pin, and has no time. Unpin gives it up, once no
	// run looks after it any more.
	pin := x.Entry.Pin
	p.Can.GiveUp = pin != nil && pin.Since.IsZero() && len(x.Entry.Holders) == 0
	p.Can.Unpin = pin != nil && !pin.Since.IsZero()
	p.Can.Pin = !p.Can.Unpin && x.Missing == ""
	p.Can.Cleanup = x.Entry.Kind == workspace.KindRun && x.Missing == ""
	if events, err := d.journal.get(r.Context()); err == nil { // the entry can be told of without
		for _, e := range slices.Backward(events) {
			if e.Key == x.Entry.Key {
				p.Events = append(p.Events, e)
			}
		}
	}
	return p, nil
}

// TTLWords says how long an entry that nobody uses still has; "" where that is not it.
func (p EntryPage) TTLWords() string {
	if p.TTL == 0 || p.TTLLeft == 0 {
		return ""
	}
	return people.Short(time.Duration(p.TTLLeft)*time.Second) + " of " + people.Short(time.Duration(p.TTL)*time.Second) + " left, if nobody uses it"
}
