package model_test

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// step is one thing that a Get makes: what it takes, and what it works with, which
// cannot be evicted meanwhile.
type step struct {
	want    int64
	single  bool   // all of it is asked for at once
	locked  string // the version of the target whose entries are in use
	objects bool   // they may lose the objects that they keep all the same
}

// room is what the model says of the disk before a Get.
type room struct {
	w        *world
	p        *plan
	recorded int64
	free     map[*entry]bool // nobody holds it, nor does the Get work with it
	spared   map[*entry]int64
	locked   map[*entry]bool
	stay     []int64 // by step: what cannot be evicted then
}

func (w *world) room(p *plan) *room {
	r := &room{w: w, p: p, recorded: w.recorded(), free: map[*entry]bool{}, spared: map[*entry]int64{}, locked: map[*entry]bool{}}
	for _, e := range w.all() {
		r.spared[e] = e.spare()
		for _, s := range p.steps {
			if s.locked != "" && e.target == p.id && e.etag == s.locked && e.kind != workspace.KindRun {
				r.locked[e] = true
			}
		}
		r.free[e] = !r.locked[e] && !w.held(e.key)
	}
	for i, s := range p.steps {
		stay := int64(0)
		for e, free := range r.free {
			if free {
				continue
			}
			stay += e.size.total()
			if !r.locked[e] || s.objects {
				stay -= e.spare()
			}
		}
		if i > 0 { // the base that was made just now
			stay += p.baseSize().bytes
		}
		r.stay = append(r.stay, stay)
	}
	return r
}

// want adds up what p makes.
func (r *room) want() (n int64) {
	for _, s := range r.p.steps {
		n += s.want
	}
	return n
}

// judge compares the outcome with what there is room for.
func (r *room) judge(t *rapid.T, kind cordon.Kind, opens int64) {
	t.Helper()
	for i, s := range r.p.steps {
		if r.stay[i]+s.want <= r.w.limit {
			continue
		}
		large := s.want > r.w.limit
		switch {
		case kind == cordon.TargetTooLarge && large:
		case kind == cordon.NoSpace && r.stay[i] > 0 && !(large && s.single):
		default:
			t.Fatalf("kind %q, though %d bytes are needed beside %d that have to stay, and the limit is %d: %s", kind, s.want, r.stay[i], r.w.limit, r)
		}
		if i == 0 && s.single && opens > 0 {
			t.Fatal("it was downloaded though there was no room for it")
		}
		return
	}
	if kind != "" {
		t.Fatalf("kind %q, though everything fits: steps %+v beside %v, and the limit is %d: %s", kind, r.p.steps, r.stay, r.w.limit, r)
	}
}

// String lists what there is, for who reads a failure.
func (r *room) String() string {
	var b strings.Builder
	for e, free := range r.free {
		fmt.Fprintf(&b, "%v takes %+v, may go %v; ", e.key, e.size, free)
	}
	return b.String()
}

// reconcile finds out what a Get evicted, which the rules leave open to a degree,
// whether it might, and takes it out of the model.
func (w *world) reconcile(t *rapid.T, p *plan, r *room, ok bool) {
	t.Helper()
	have := w.listed(t)
	if !ok {
		// It may have failed after its base was made.
		if p.base != nil && p.fail == "" {
			for _, x := range have {
				if x.Kind == workspace.KindBase && x.Target.String() == p.id && x.ETag == p.etag {
					w.makeBase(p)
					break
				}
			}
		}
		if p.from != nil {
			for _, x := range have {
				if x.Path == w.abs(p.from.path()) && x.LastUsed.Equal(w.now) {
					p.from.used = w.now
				}
			}
		}
	}
	g := &gone{room: r}
	for _, e := range w.all() {
		x, there := have[w.where(e, have)]
		switch {
		case !there:
			g.entries = append(g.entries, e)
			g.freed += e.size.total()
			w.remove(e)
		case e.spare() > 0 && x.Object == 0:
			g.objects = append(g.objects, e)
			g.freed += e.size.object
			g.spared[e] = e.size.object
			e.size.object = 0
		}
	}
	if len(g.entries)+len(g.objects) > 0 {
		w.sayf(t, "it evicted %v, and the objects of %v", keys(g.entries), keys(g.objects))
		w.seen.add("evicted by get", len(g.entries))
		w.seen.add("objects evicted by get", len(g.objects))
		g.judge(t, ok)
	}
}

func keys(list []*entry) (names []key) {
	for _, e := range list {
		names = append(names, e.key)
	}
	return names
}

// gone is what a Get evicted.
type gone struct {
	*room
	entries, objects []*entry
	freed            int64
}

func (g *gone) judge(t *rapid.T, ok bool) {
	t.Helper()
	w := g.w
	if g.p.fail != "" || g.p.ready != nil {
		t.Fatal("nothing had to be made, and something was evicted for it")
	}
	if !ok && g.p.steps[0].single && g.stay[0]+g.p.steps[0].want > w.limit {
		t.Fatal("what did not fit all the same had something evicted for it")
	}
	var last time.Time
	for _, e := range g.entries {
		if !g.free[e] {
			t.Fatalf("%v was evicted, which is in use", e.key)
		}
		last = e.used // they are in order
	}
	for _, e := range w.all() {
		if g.free[e] && e.used.Before(last) {
			t.Errorf("%v was evicted, and %v kept, which was used earlier", keys(g.entries), e.key)
		}
		if len(g.entries) > 0 && e.spare() > 0 && g.spared[e] > 0 && !g.locked[e] {
			t.Errorf("%v was evicted, and the object of %v kept, which goes first", keys(g.entries), e.key)
		}
	}
	if !ok {
		return
	}
	over := g.recorded + g.want() - w.limit
	if over <= 0 {
		t.Fatalf("something was evicted, though %d bytes fit beside %d, and the limit is %d", g.want(), g.recorded, w.limit)
	}
	// No more went than was needed, and the little more that makes room for the next.
	enough := over + w.limit/20
	if g.freed <= enough {
		return
	}
	var least int64
	if len(g.entries) > 0 {
		for _, e := range g.entries {
			if e.used.Equal(last) {
				least = max(least, e.size.total())
			}
		}
	} else {
		for _, e := range g.objects {
			least = max(least, g.spared[e])
		}
	}
	if g.freed-least >= over {
		t.Errorf("%d bytes were freed where %d were needed: %v, and the objects of %v", g.freed, over, keys(g.entries), keys(g.objects))
	}
}
