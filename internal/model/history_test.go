package model_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

var rounds = flag.Int("histories", 6, "rounds of TestHistories")

const (
	clients = 6
	each    = 40 // calls of a client in a round
)

// TestHistories lets several callers work at once, in what might be two processes,
// and asks whether there is an order of their calls that explains every answer.
func TestHistories(t *testing.T) {
	n := *rounds
	if testing.Short() {
		n = 2
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range n {
		h := newHistory(t)
		var wg sync.WaitGroup
		for i := range clients {
			c := &client{history: h, n: i, r: rand.New(rand.NewPCG(seed, uint64(round*clients+i))), paths: map[string]string{}}
			wg.Go(func() {
				for range each {
					c.act()
				}
			})
		}
		wg.Wait()
		h.judge()
		h.end()
		if t.Failed() {
			return
		}
	}
}

// history is what several clients did to a cache.
type history struct {
	t      *testing.T
	top    string
	store  *spy
	caches []*workspace.Cache
	begin  time.Time

	mu       sync.Mutex
	done     []porcupine.Operation
	versions map[string][]put // of a target, in order
	putting  map[string]*sync.Mutex
}

// put is one version of a target, and when it was put.
type put struct {
	etag      string
	call, ret int64
}

func newHistory(t *testing.T) *history {
	h := &history{t: t, top: scratch(t), begin: time.Now(), versions: map[string][]put{}, putting: map[string]*sync.Mutex{}}
	h.store = openStore(t, h.top)
	for _, id := range targets {
		h.putting[id] = &sync.Mutex{}
		h.put(id)
	}
	for range 2 {
		h.caches = append(h.caches, openCache(t, workspace.Options{Dir: h.top + "/cache", Store: h.store, FillDisk: true, CowDriver: mustDriver(t, "copy!")}))
	}
	return h
}

func (h *history) end() {
	for _, c := range h.caches {
		if err := c.Close(); err != nil {
			h.t.Error(err)
		}
	}
	clear(h.t, h.top)
}

func (h *history) now() int64 { return int64(time.Since(h.begin)) }

func (h *history) put(id string) {
	h.putting[id].Lock()
	defer h.putting[id].Unlock()
	call := h.now()
	etag := h.store.put(h.t, id, archive("", tree{"version": fmt.Sprint(id, call)}))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.versions[id] = append(h.versions[id], put{etag, call, h.now()})
}

// client is one of those that work at once. Runs of a client's number are its own,
// the others several clients share, as attempts of one run do.
type client struct {
	*history
	n     int
	r     *rand.Rand
	paths map[string]string // of what it was handed, by target and run
}

func (c *client) act() {
	id := targets[c.r.IntN(2)]
	run := fmt.Sprint([]string{"iso", "sha", "cow"}[c.r.IntN(3)], "-", []int{c.n, 10 + c.r.IntN(2)}[c.r.IntN(2)])
	cache := c.caches[c.r.IntN(len(c.caches))]
	switch c.r.IntN(20) {
	case 0:
		c.put(id)
	case 1, 2:
		c.sweep(cache)
	case 3, 4, 5, 6, 7, 8, 9:
		c.cleanup(cache, id, run)
	default:
		c.get(cache, id, run)
	}
}

func (c *client) note(o op, call, ret int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = append(c.done, porcupine.Operation{ClientId: c.n, Input: o, Call: call, Return: ret})
}

func modeOf(run string) cordon.Mode {
	return map[string]cordon.Mode{"iso": cordon.Isolated, "sha": cordon.Shared, "cow": cordon.CopyOnWrite}[run[:3]]
}

func (c *client) get(cache *workspace.Cache, id, run string) {
	call := c.now()
	ws, err := cache.Get(context.Background(), request(id, run, modeOf(run)))
	ret := c.now()
	if err != nil {
		if cordon.KindOf(err) != cordon.Busy {
			c.t.Errorf("get %s for %s: %v", id, run, err)
		}
		c.note(op{key: id + "/" + run, what: opRefused}, call, ret)
		return
	}
	c.paths[id+"/"+run] = ws.Path
	o := op{key: id + "/" + run, what: opGet, run: run, etag: ws.ETag, target: id, hit: ws.Hit, mode: modeOf(run)}
	if ws.Path == c.top+"/cache/"+id+"/workspace" {
		// It may have been made for this, more than once if it was evicted before it
		// was held. Hit does not tell: it may have been made of a base.
		o.key, o.what = id, opMake
		c.note(o, call, ret)
		c.note(o, call, ret)
		o.what = opHold
	} else if modeOf(run) == cordon.Shared {
		// It has a path of its own because others held an older version; what it had
		// fetched may have become the shared tree all the same, once they let go.
		made := o
		made.key, made.what = id, opMake
		c.note(made, call, ret)
	}
	c.note(o, call, ret)
	if !strings.HasSuffix(run, fmt.Sprint("-", c.n)) {
		return // another attempt may clean it up meanwhile
	}
	if got, err := readTree(ws.Path); err != nil || len(got) != 1 {
		c.t.Errorf("%s for %s: %v, %v", id, run, got, err)
	}
}

func (c *client) cleanup(cache *workspace.Cache, id, run string) {
	path := c.paths[id+"/"+run]
	if path == "" {
		return
	}
	call := c.now()
	done, err := cache.Cleanup(context.Background(), path, workspace.Caller{Run: run})
	ret := c.now()
	if err != nil {
		c.t.Errorf("clean up %s: %v", path, err)
	}
	o := op{key: id + "/" + run, what: opCleanup, run: run, outcome: done.Outcome}
	if path == c.top+"/cache/"+id+"/workspace" {
		o.key, o.what = id, opRelease
	}
	c.note(o, call, ret)
}

// sweep evicts whatever it may.
func (c *client) sweep(cache *workspace.Cache) {
	call := c.now()
	report, err := cache.Sweep(context.Background(), workspace.SweepOptions{Shrink: true, Restore: true})
	ret := c.now()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.t.Errorf("sweep: %v", err)
	}
	for _, r := range report.Removals {
		if r.Key == "" {
			continue
		}
		rel := strings.Split(strings.TrimPrefix(r.Path, c.top+"/cache/"), "/")
		switch {
		case rel[0] == ".cordon": // a cleanup that met a lock, for example
		case len(rel) == 2:
			c.note(op{key: rel[0], what: opEvict}, call, ret)
		case len(rel) == 3 && rel[1] != "shared":
			c.t.Errorf("the sweep removed a workspace that its run holds: %+v", r)
		}
	}
}

// judge asks for an order of the calls that explains them.
func (h *history) judge() {
	h.t.Helper()
	for i, o := range h.done {
		o := o.Input.(op)
		o.current = h.current(o, h.done[i].Call, h.done[i].Return)
		o.version = slices.IndexFunc(h.versions[o.target], func(p put) bool { return p.etag == o.etag }) + 1
		if o.etag != "" && o.version == 0 {
			h.t.Errorf("%+v: nobody put this version", o)
		}
		h.done[i].Input = o
	}
	model := sequential.ToModel()
	verdict, info := porcupine.CheckOperationsVerbose(model, h.done, 30*time.Second)
	switch verdict {
	case porcupine.Unknown:
		h.t.Log("no verdict within 30 seconds")
	case porcupine.Illegal:
		h.t.Errorf("no order of these %d calls explains their answers", len(h.done))
		if err := porcupine.VisualizePath(model, info, h.t.ArtifactDir()+"/history.html"); err == nil {
			h.t.Logf("see %s/history.html (it stays with -artifacts)", h.t.ArtifactDir())
		}
		h.tell()
	}
}

// current reports whether o's version was the store's at some time of the call.
func (h *history) current(o op, call, ret int64) bool {
	for i, p := range h.versions[o.target] {
		if p.etag == o.etag {
			return p.call <= ret && (i+1 == len(h.versions[o.target]) || call <= h.versions[o.target][i+1].ret)
		}
	}
	return false
}

// tell logs the calls of the keys that cannot be explained.
func (h *history) tell() {
	byKey := map[string][]porcupine.Operation{}
	for _, o := range h.done {
		k := o.Input.(op).key
		byKey[k] = append(byKey[k], o)
	}
	for k, list := range byKey {
		if porcupine.CheckOperationsTimeout(sequential.ToModel(), list, 5*time.Second) != porcupine.Illegal {
			continue
		}
		slices.SortFunc(list, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		for _, o := range list {
			h.t.Logf("%s: %10d … %10d client %d: %s", k, o.Call, o.Return, o.ClientId, o.Input)
		}
	}
}
