package workspace_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// onFirstEviction calls f once, when the first of several entries was evicted and
// the others are about to be.
func onFirstEviction(f *atomic.Pointer[func()]) func(*workspace.Options) {
	return func(o *workspace.Options) {
		o.Logger = slog.New(onLog{slog.DiscardHandler, func(msg string) {
			if strings.Contains(msg, "Evicted from cache") {
				if do := f.Swap(nil); do != nil {
					(*do)()
				}
			}
		}})
	}
}

func TestEvictionLooksAgain(t *testing.T) {
	const mb = 1 << 20
	begin := func(t *testing.T, limit int64, ids ...string) (b *bench, hook *atomic.Pointer[func()]) {
		hook = &atomic.Pointer[func()]{}
		b = newBench(t, limited(limit), onFirstEviction(hook))
		for _, id := range ids {
			b.put(id, random(id[0], 3*mb/2))
			b.cleanup(b.get(id, "R", cordon.Shared).Path, "R")
			b.pass(time.Minute)
		}
		b.put("D", random('D', 3*mb))
		return b, hook
	}

	t.Run("what somebody begins to hold meanwhile stays, and another goes", func(t *testing.T) {
		b, hook := begin(t, 5*mb, "A", "B", "C")
		other := b.open()
		ask := func() {
			_, err := other.Get(t.Context(), request("B", "X", cordon.Shared))
			must(t, err)
		}
		hook.Store(&ask)
		b.get("D", "R", cordon.Isolated)
		if hook.Load() != nil {
			t.Fatal("nothing was evicted")
		}
		mustExist(t, b.path("B/target"))
		mustBeGone(t, b.path("A"))
		mustBeGone(t, b.path("C"))
	})

	t.Run("what stands there by then is another entry, and is looked at for itself", func(t *testing.T) {
		b, hook := begin(t, 11*mb/2, "A", "B")
		other := b.open()
		fresh := random('b', 3*mb/2)
		b.put("B", fresh)
		arrive := b.store.block()
		got := make(chan workspace.Workspace, 1)
		go func() {
			ws, err := other.Get(t.Context(), request("B", "X", cordon.Shared))
			if err != nil {
				t.Error(err)
			}
			got <- ws
		}()
		waitFor(t, func() bool { return b.usage().Reserved > 0 })
		come := func() {
			arrive()
			ws := <-got
			_, err := other.Cleanup(t.Context(), ws.Path, workspace.Caller{Run: "X"})
			must(t, err)
		}
		hook.Store(&come)
		b.get("D", "R", cordon.Isolated)
		if hook.Load() != nil {
			t.Fatal("nothing was evicted")
		}
		mustBeGone(t, b.path("A"))
		if e := b.entries()["B/target"]; e.Key == "" || len(e.Holders) != 0 {
			t.Errorf("the new version of B is %+v, want it there and free", e)
		}
	})
}

// A run that was handed something holds it, at whatever moment of its asking
// another process evicts all that it may: the clock is where that comes between.
func TestAskingIsHolding(t *testing.T) {
	for _, mode := range modes {
		for at := 1; ; at++ {
			b := newBench(t, by(t, "copy!"))
			b.put("T", project.tarball(t))
			b.cleanup(b.get("T", "first", mode).Path, "first")
			calls := 0
			o := b.opts
			o.Now = func() time.Time {
				if calls++; calls == at {
					ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
					defer cancel()
					_, _ = b.cache.Sweep(ctx, workspace.SweepOptions{Shrink: true}) // it does what it may
				}
				return b.opts.Now()
			}
			c, err := workspace.Open(o)
			must(t, err)
			ws, err := c.Get(t.Context(), request("T", "R", mode))
			must(t, err)
			mustBeTree(t, ws.Path, project)
			if h := b.entries()[b.rel(ws.Path)].Holders; len(h) != 1 || h[0].Run != "R" {
				t.Errorf("%s: evicted at call %d of the clock, the run has %s and the holders are %+v", mode, at, ws.Path, h)
			}
			must(t, c.Close())
			if calls < at {
				break
			}
		}
	}
}

// A run that nobody can tell about, whose hold expires, may ask again between the
// sweep's look at the hold and the end of it: no process's lock tells of that.
func TestAskingWhileNobodyKnows(t *testing.T) {
	for _, mode := range []cordon.Mode{cordon.Shared, cordon.Isolated} {
		for at := 1; ; at++ {
			b, _ := newAsking(t, func(o *workspace.Options) { o.TTL = time.Hour })
			b.ask("R", mode)
			b.pass(2 * time.Hour)
			b.ask("R2", mode) // what is shared stays for this one
			calls, ws := 0, workspace.Workspace{}
			var mu sync.Mutex // deletions look at the clock too
			o := b.opts
			o.Now = func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				now := b.opts.Now()
				if calls++; calls == at {
					req := request("T", "R", mode)
					req.Owner = workspace.Owner{Cluster: "c", Namespace: "default", WorkflowID: "w-R", FirstRunID: "R", RunID: "R"}
					ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
					defer cancel()
					ws, _ = b.cache.Get(ctx, req)
				}
				return now
			}
			c, err := workspace.Open(o)
			must(t, err)
			_, err = c.Sweep(t.Context(), workspace.SweepOptions{})
			must(t, err)
			must(t, c.Close())
			if calls < at {
				break
			}
			if ws.Path == "" {
				continue // the sweep had the lock: the run asks again
			}
			mustExist(t, ws.Path)
			h := b.entries()[b.rel(ws.Path)].Holders
			if !slices.ContainsFunc(h, func(h workspace.Holder) bool { return h.Run == "R" }) {
				t.Errorf("%s: the run was handed %s at call %d of the clock, and the holders are %+v", mode, ws.Path, at, h)
			}
		}
	}
}
