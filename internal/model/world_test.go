package model_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// world is the engine, what is around it, and the model of it.
type world struct {
	top    string
	store  *spy
	opts   workspace.Options
	caches []*workspace.Cache // as two processes have them
	views  bool               // a copy-on-write run's workspace is a view that needs its base
	choice []*content         // that objects may have

	clock sync.Mutex // for who reads now behind the callers' backs
	now   time.Time
	limit int64

	// The model: objects in the store, entries by key, holds by key and holder,
	// what became of runs that somebody is asked about.
	objects map[string]*object
	entries map[key]*entry
	holds   map[key]map[string]*hold
	fates   map[string]workspace.Fate
	leases  []*lease
	made    int64 // entries so far

	seen tally
}

// tally counts what happened, for who wants to know whether a run is worth much.
type tally struct {
	mu *sync.Mutex
	n  map[string]int
}

func newTally() tally { return tally{&sync.Mutex{}, map[string]int{}} }

func (c tally) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what] += n
}

func (c tally) String() string {
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(c.n)) {
		lines = append(lines, fmt.Sprint(what, ": ", c.n[what]))
	}
	return strings.Join(lines, ", ")
}

// runs are those that ask. Of the first ones a Temporal knows, where one is asked;
// the second of them wishes to keep its workspace if it fails.
var (
	runs    = []string{"known-1", "known-2", "hand-1", "hand-2"}
	targets = []string{"A", "B", "C"}
	modes   = []cordon.Mode{cordon.Isolated, cordon.Shared, cordon.CopyOnWrite}
)

func isKnown(run string) bool { return strings.HasPrefix(run, "known") }

const keeper = "known-2"

type object struct {
	*content
	etag string
}

// key is an entry's name in the model: the target's shared tree or base, the base
// that stands aside with a version, or a run's own.
type key struct {
	kind   workspace.Kind
	target string
	run    string // or the ETag of a base that stands aside
}

type entry struct {
	key
	id       string // the engine's name for it
	mode     cordon.Mode
	etag     string
	content  *content
	tree     tree
	readOnly bool
	lost     bool // somebody removed its files
	touched  bool // its run wrote into it, so that its size is its own
	size     size
	used     time.Time
	made     int64 // its number
	base     key   // of a view
}

type hold struct {
	renewed time.Time
	kept    time.Time    // zero, or until when a failed run's workspace is kept
	by      map[int]bool // caches that have it locked
	leases  int
	view    *entry // on a base: what it is for
}

type lease struct {
	*workspace.Lease
	on *hold
}

func (h *hold) live() bool { return len(h.by) > 0 || h.leases > 0 }

const ttl = 3 * time.Hour

func newWorld(t *rapid.T, seen tally, choice []*content, change func(*workspace.Options)) *world {
	w := &world{
		seen: seen, choice: choice, top: scratch(t), now: time.Now(), objects: map[string]*object{}, entries: map[key]*entry{},
		holds: map[key]map[string]*hold{}, fates: map[string]workspace.Fate{},
	}
	w.store = openStore(t, w.top)
	w.opts = workspace.Options{
		Dir: filepath.Join(w.top, "cache"), Store: w.store, FillDisk: true, TTL: ttl, Grace: grace,
		Now: func() time.Time {
			w.clock.Lock()
			defer w.clock.Unlock()
			return w.now
		},
	}
	if rapid.Bool().Draw(t, "somebody knows runs") {
		w.opts.Runs = w
	}
	change(&w.opts)
	for _, id := range targets {
		w.put(t, id, choice[rapid.IntRange(0, len(choice)-1).Draw(t, "content of "+id)])
	}
	return w
}

// open opens the caches, both with the limit.
func (w *world) open(t *rapid.T, limit int64) {
	w.limit = limit
	w.opts.MaxSize = cordon.BytesOf(limit)
	for range 2 {
		w.caches = append(w.caches, openCache(t, w.opts))
	}
}

// close ends everything and removes it.
func (w *world) close(t rapid.TB) {
	for _, l := range w.leases {
		l.Release()
	}
	for i := range w.caches {
		must(t, w.caches[i].Close())
	}
	clear(t, w.top)
}

func (w *world) put(t rapid.TB, id string, c *content) {
	w.objects[id] = &object{c, w.store.put(t, id, c)}
}

// tick lets more time pass than two uses need to be told apart.
func (w *world) tick() { w.pass(2 * time.Second) }

func (w *world) pass(d time.Duration) {
	w.clock.Lock()
	defer w.clock.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) sayf(t *rapid.T, format string, args ...any) {
	t.Helper()
	t.Logf(format, args...)
}

func (w *world) ctx(t *rapid.T) context.Context { return t.Context() }

func (w *world) abs(name string) string { return filepath.Join(w.opts.Dir, name) }

// Fates implements workspace.Runs.
func (w *world) Fates(_ context.Context, owners []workspace.Owner) []workspace.Fate {
	list := make([]workspace.Fate, len(owners))
	for i, o := range owners {
		list[i] = w.fates[o.RunID]
	}
	return list
}

func (w *world) request(id, run string, mode cordon.Mode) workspace.Request {
	r := request(id, run, mode)
	if isKnown(run) {
		r.Owner = workspace.Owner{Cluster: "c", Namespace: "n", WorkflowID: "w", FirstRunID: run, RunID: run}
		r.KeepOnFailure = run == keeper
	}
	return r
}

// isAsked reports whether somebody knows about the run.
func (w *world) isAsked(run string) bool { return w.opts.Runs != nil && isKnown(run) }

func shared(id string) key   { return key{kind: workspace.KindShared, target: id} }
func base(id string) key     { return key{kind: workspace.KindBase, target: id} }
func own(id, run string) key { return key{workspace.KindRun, id, run} }

func aside(id, etag string) key { return key{workspace.KindBase, id, etag} }

// path is where e's workspace is, relative to the cache; of a base that stands
// aside the engine's own name is needed.
func (e *entry) path() string {
	name := "workspace"
	if e.content.isFile() {
		name = "target"
	}
	switch {
	case e.kind == workspace.KindShared:
		return e.target + "/" + name
	case e.kind == workspace.KindRun:
		return e.target + "/" + e.run + "/" + name
	case e.run != "":
		return ".cordon/bases/" + e.id + "/" + name
	}
	return e.target + "/shared/" + name
}

// spare is what of e's disk is an object that it can do without.
func (e *entry) spare() int64 {
	if e.kind == workspace.KindRun {
		return 0
	}
	return e.size.object
}

// is returns the entry k if it can be used.
func (w *world) is(k key) *entry {
	e := w.entries[k]
	if e == nil || w.lost(e) {
		return nil
	}
	return e
}

func (w *world) lost(e *entry) bool {
	return e.lost || e.base != (key{}) && w.is(e.base) == nil
}

// baseOf returns the base of a version, wherever it stands.
func (w *world) baseOf(id, etag string) *entry {
	for _, k := range []key{base(id), aside(id, etag)} {
		if e := w.is(k); e != nil && e.etag == etag {
			return e
		}
	}
	return nil
}

// all returns the entries that can be used, the least recently used first.
func (w *world) all() []*entry {
	return slices.SortedFunc(maps.Values(w.present()), func(a, b *entry) int { return a.used.Compare(b.used) })
}

func (w *world) present() map[key]*entry {
	m := map[key]*entry{}
	for k := range w.entries {
		if e := w.is(k); e != nil {
			m[k] = e
		}
	}
	return m
}

func (w *world) recorded() (n int64) {
	for _, e := range w.present() {
		n += e.size.total()
	}
	return n
}

func (w *world) expired(h *hold) bool {
	switch {
	case h.view != nil:
		return w.entries[h.view.key] != h.view
	case !h.kept.IsZero():
		return !h.live() && w.now.After(h.kept)
	}
	return !h.live() && w.now.Sub(h.renewed) > ttl
}

func (w *world) held(k key) bool {
	for run, h := range w.holds[k] {
		if w.counts(run, h) {
			return true
		}
	}
	return false
}

// counts reports whether h keeps what run holds by it. Of a run that a Temporal
// knows only a sweep may say that it does not: it may be open, and not asked about
// for long.
func (w *world) counts(run string, h *hold) bool {
	return !w.expired(h) || h.view == nil && h.kept.IsZero() && isKnown(run)
}

// hold makes run hold k for the cache that was asked, or renews the hold.
func (w *world) hold(k key, run string, cache int) {
	if w.holds[k] == nil {
		w.holds[k] = map[string]*hold{}
	}
	h := w.holds[k][run]
	if h == nil {
		h = &hold{by: map[int]bool{}}
		w.holds[k][run] = h
	}
	h.renewed, h.kept = w.now, time.Time{} // a run that asks again lives on
	if !w.isAsked(run) {
		h.by[cache] = true
	}
}

// remove takes e away, with its holds and with what it holds.
func (w *world) remove(e *entry) {
	delete(w.entries, e.key)
	delete(w.holds, e.key)
	if e.base != (key{}) {
		for holder, h := range w.holds[e.base] {
			if h.view == e {
				delete(w.holds[e.base], holder)
			}
		}
	}
}

// add puts a new entry into the model.
func (w *world) add(k key, o version, tree tree, size size) *entry {
	w.made++
	e := &entry{key: k, mode: o.mode, etag: o.etag, content: o.content, tree: maps.Clone(tree), size: size, used: w.now, made: w.made}
	w.entries[k] = e
	return e
}

// version is what a Get asks for.
type version struct {
	*content
	etag  string
	mode  cordon.Mode
	stale bool
}
