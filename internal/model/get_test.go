package model_test

import (
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// plan is what the model says of a Get before it is made.
type plan struct {
	id, run string
	version
	fail  cordon.Kind // whatever room there is
	ready *entry      // is handed out as it is

	shared   *origin // the shared tree is made
	base     *origin // a base is made
	from     *entry  // a base that is there is used
	own      bool    // a workspace of the run's own is made
	readOnly bool    // because another version has the shared path
	asked    bool    // the run's own lost workspace is forgotten, if there is one
	steps    []step
}

// origin is where an entry comes from: the store, or an entry that has it.
type origin struct{ of *entry }

func (o *origin) fetches() int64 {
	if o == nil || o.of != nil {
		return 0
	}
	return 1
}

// plan says what Get does, by the rules of the contract.
func (w *world) plan(id, run string, mode cordon.Mode) *plan {
	p := &plan{id: id, run: run}
	p.mode = mode
	fail := func(kind cordon.Kind) *plan { p.fail = kind; return p }
	mine := w.is(own(id, run))
	if mine != nil {
		// The same run gets the same again, whatever became of the object.
		switch {
		case mine.readOnly && mode != cordon.Shared:
			return fail(cordon.InvalidArgument)
		case mine.readOnly == (mode == cordon.Shared):
			p.ready = mine
			return p
		}
	}
	tree := w.is(shared(id))
	if mode == cordon.Shared && tree != nil && w.holds[tree.key][run] != nil {
		p.ready = tree
		return p
	}
	if mode != cordon.Shared {
		p.asked = true
	}
	var kind cordon.Kind
	if p.version, kind = w.describe(id, mode); kind != "" {
		return fail(kind)
	}
	if mode == cordon.Shared {
		switch {
		case tree != nil && tree.etag == p.etag:
			p.ready = tree
			return p
		case tree == nil || !w.held(tree.key):
			p.shared = &origin{w.baseOf(id, p.etag)}
			if p.stale && p.shared.of == nil {
				return fail(cordon.StorageUnavailable)
			}
			p.need(p.shared, p.content.fetched.total(), step{})
			return p
		}
		p.readOnly, p.asked = true, true
		if mine != nil {
			return fail(cordon.Busy)
		}
	}
	p.own = true
	if mode == cordon.Isolated {
		p.steps = []step{{want: p.content.own.total(), single: p.content.isFile()}}
		return p
	}
	bytes := int64(0)
	if p.from = w.baseOf(id, p.etag); p.from != nil {
		bytes = p.from.size.bytes
	} else {
		p.base = &origin{}
		if tree != nil && tree.etag == p.etag {
			p.base.of = tree
		}
		if p.stale && p.base.of == nil {
			return fail(cordon.StorageUnavailable)
		}
		p.need(p.base, p.content.base.total(), step{})
		bytes = p.baseSize().bytes
	}
	if w.views && !p.content.isFile() && mode == cordon.CopyOnWrite {
		bytes = 0 // next to nothing
	}
	p.steps = append(p.steps, step{want: bytes, single: true, locked: p.etag, objects: true})
	return p
}

// baseSize is what the base takes that is made.
func (p *plan) baseSize() size {
	if p.base.of != nil {
		return p.content.back
	}
	return p.content.base
}

// need adds the step of making something of o, or of what takes so much where it
// is fetched.
func (p *plan) need(o *origin, fetched int64, s step) {
	s.want, s.single, s.locked = fetched, p.content.isFile(), p.etag
	if o.of != nil {
		s.want, s.single = o.of.size.bytes+p.content.manifest(), p.content.isFile()
	}
	p.steps = append(p.steps, s)
}

// describe says which version a Get is about: what the store has, or where that
// cannot be asked the newest that is cached, but never for a run that wants an
// object of its own.
func (w *world) describe(id string, mode cordon.Mode) (version, cordon.Kind) {
	o := w.objects[id]
	if !w.store.down.Load() {
		if o == nil {
			return version{mode: mode}, cordon.TargetNotFound
		}
		return version{o.content, o.etag, mode, false}, ""
	}
	var newest *entry
	for _, e := range w.present() {
		if e.target == id && e.kind != workspace.KindRun && (newest == nil || e.made > newest.made) {
			newest = e
		}
	}
	if newest == nil || mode == cordon.Isolated {
		return version{mode: mode}, cordon.StorageUnavailable
	}
	return version{newest.content, newest.etag, mode, true}, ""
}

// Get asks for a workspace, and compares everything about the answer.
func (w *world) Get(t *rapid.T) {
	cache := rapid.IntRange(0, len(w.caches)-1).Draw(t, "cache")
	id := rapid.SampledFrom(targets).Draw(t, "target")
	run := rapid.SampledFrom(runs).Draw(t, "run")
	mode := rapid.SampledFrom(modes).Draw(t, "mode")
	w.tick()
	p := w.plan(id, run, mode)
	room := w.room(p)
	before := w.store.opens.Load()
	ws, err := w.caches[cache].Get(w.ctx(t), w.request(id, run, mode))
	opens := w.store.opens.Load() - before
	w.sayf(t, "get %s for %s, %s, by %d = %s, %v", id, run, mode, cache, ws.Path, err)

	kind := cordon.KindOf(err)
	w.seen.add("get "+string(kind), 1)
	if err != nil && kind == "" {
		t.Fatalf("the error has no kind: %v", err)
	}
	if p.fail != "" || p.ready != nil {
		if kind != p.fail {
			t.Fatalf("kind %q, want %q", kind, p.fail)
		}
	} else {
		room.judge(t, kind, opens)
	}
	if lost := w.entries[own(id, run)]; lost != nil && p.asked && w.lost(lost) {
		w.remove(lost)
	}
	if err != nil {
		w.reconcile(t, p, room, false)
		return
	}
	e := w.carryOut(p, cache)
	switch {
	case p.ready != nil:
		w.seen.add("handed out again", 1)
	case p.readOnly:
		w.seen.add("shared path held", 1)
	case p.stale:
		w.seen.add("stale", 1)
	}
	if want := p.shared.fetches() + p.base.fetches() + w.fetchesOwn(p); opens != want || ws.Hit != (want == 0) {
		t.Fatalf("%d downloads, and it says hit %v; want %d", opens, ws.Hit, want)
	}
	w.reconcile(t, p, room, true)
	if ws.Path != w.abs(e.path()) || ws.ETag != e.etag || ws.ReadOnly != e.readOnly || ws.Stale != (p.stale && p.ready == nil || p.stale && p.ready.kind == workspace.KindShared) {
		t.Fatalf("got %+v, want %s of version %s, read-only %v", ws, e.path(), e.etag, e.readOnly)
	}
	if ws.Bytes != e.size.total() {
		t.Fatalf("it says that it takes %d bytes, and takes %d", ws.Bytes, e.size.total())
	}
	mustBe(t, ws.Path, e.tree)
}

func (w *world) fetchesOwn(p *plan) int64 {
	if p.own && p.mode == cordon.Isolated {
		return 1
	}
	return 0
}

// carryOut makes of the model what a Get that succeeds makes of the cache, and
// returns the entry that it hands out.
func (w *world) carryOut(p *plan, cache int) *entry {
	if p.ready != nil {
		p.ready.used = w.now
		w.hold(p.ready.key, p.run, cache)
		return p.ready
	}
	if p.shared != nil {
		k := shared(p.id)
		if old := w.is(k); old != nil {
			w.remove(old)
		}
		size := p.content.fetched
		if p.shared.of != nil {
			size = p.content.cut
		}
		e := w.add(k, p.version, p.content.tree, size)
		e.readOnly = true
		w.hold(k, p.run, cache)
		return e
	}
	if p.base != nil {
		w.makeBase(p)
	}
	k := own(p.id, p.run)
	size := p.content.own
	if p.mode != cordon.Isolated {
		size = p.content.view
		p.from.used = w.now
		if p.readOnly {
			size = p.content.plain
		}
	}
	e := w.add(k, p.version, p.content.tree, size)
	e.readOnly = p.readOnly
	if w.views && p.mode == cordon.CopyOnWrite && !p.content.isFile() {
		e.base = p.from.key
		if w.holds[e.base] == nil {
			w.holds[e.base] = map[string]*hold{}
		}
		w.holds[e.base][fmt.Sprint("view ", e.made)] = &hold{view: e}
	}
	w.hold(k, p.run, cache)
	return e
}

// makeBase makes the base of p's version: at its place, or aside where views need
// the base of another version that stands there.
func (w *world) makeBase(p *plan) {
	k := base(p.id)
	if old := w.is(k); old != nil {
		if w.held(k) {
			k = aside(p.id, p.etag)
		} else {
			w.remove(old)
		}
	}
	p.from = w.add(k, p.version, p.content.tree, p.baseSize())
	p.from.mode = ""
}

// mustBe compares what is at path with want.
func mustBe(t *rapid.T, path string, want tree) {
	t.Helper()
	got, err := readTree(path)
	must(t, err)
	if maps.Equal(got, want) {
		return
	}
	names := slices.Sorted(maps.Keys(got))
	for name := range want {
		if got[name] != want[name] {
			t.Fatalf("%s: %q is %.40q, want %.40q (there are %q)", path, name, got[name], want[name], names)
		}
	}
	t.Fatalf("%s holds %q, want %q", path, names, slices.Sorted(maps.Keys(want)))
}
