package workspace_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// registry is who knows what became of runs, by the execution's run id. Who is not
// in it is unknown.
type registry struct {
	mu    sync.Mutex
	fates map[string]workspace.Fate
	asked [][]workspace.Owner
	then  func() // called once, while it is asked
}

func (r *registry) Fates(_ context.Context, owners []workspace.Owner) []workspace.Fate {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, owners)
	list := make([]workspace.Fate, len(owners))
	for i, o := range owners {
		f, ok := r.fates[o.RunID]
		if !ok {
			f.Why = errors.New("no route to host")
		}
		list[i] = f
	}
	if r.then != nil {
		r.then()
		r.then = nil
	}
	return list
}

func (r *registry) set(run string, f workspace.Fate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fates == nil {
		r.fates = map[string]workspace.Fate{}
	}
	r.fates[run] = f
}

func open() workspace.Fate { return workspace.Fate{State: workspace.RunOpen} }

// over is the fate of a run that ended so long ago.
func (b *bench) over(ago time.Duration) workspace.Fate {
	return workspace.Fate{State: workspace.RunClosed, Status: "terminated", Closed: b.opts.Now().Add(-ago)}
}

func newAsking(t *testing.T, change ...func(*workspace.Options)) (*bench, *registry) {
	reg := &registry{}
	b := newBench(t, append(change, func(o *workspace.Options) { o.Runs = reg })...)
	b.put("T", project.tarball(t))
	return b, reg
}

// ask gets T for a run of Temporal.
func (b *bench) ask(run string, mode cordon.Mode, change ...func(*workspace.Request)) workspace.Workspace {
	b.t.Helper()
	req := request("T", run, mode)
	req.Owner = workspace.Owner{Cluster: "c", Namespace: "default", WorkflowID: "w-" + run, FirstRunID: run, RunID: run}
	for _, f := range change {
		f(&req)
	}
	ws, err := b.cache.Get(b.t.Context(), req)
	must(b.t, err)
	return ws
}

func TestOrphans(t *testing.T) {
	for _, mode := range modes {
		t.Run("a run that is over loses what it has at the first sweep after its grace, never before: "+string(mode), func(t *testing.T) {
			b, reg := newAsking(t)
			ws := b.ask("R", mode)
			for _, f := range []workspace.Fate{open(), {State: workspace.RunUnknown}, b.over(0), b.over(9 * time.Minute)} {
				reg.set("R", f)
				b.sweep()
				mustBeTree(t, ws.Path, project)
				if h := b.entries()[b.rel(ws.Path)].Holders; len(h) != 1 || h[0].Live {
					t.Errorf("after %v: holders %+v", f, h)
				}
			}
			b.pass(2 * time.Minute)
			report := b.sweep()
			if len(report.Removals) == 0 || !strings.Contains(report.Removals[0].Reason, "terminated, 11m0s ago") {
				t.Errorf("report = %+v", report)
			}
			if mode == cordon.Shared {
				if e := b.entries()["T/workspace"]; e.Key == "" || len(e.Holders) != 0 {
					t.Errorf("the tree itself stays until room is needed: %+v", e)
				}
				if m := b.mounts(); len(m) != 0 {
					t.Errorf("mounted: %v", m)
				}
			} else {
				mustBeGone(t, ws.Path)
			}
			b.mustBeTidy()
			if again := b.sweep(); len(again.Removals) != 0 {
				t.Errorf("the second sweep: %+v", again)
			}
		})
	}

	t.Run("another process's sweep finds it too, though the worker that made it lives", func(t *testing.T) {
		b, reg := newAsking(t)
		ws := b.ask("R", cordon.Isolated)
		other := b.open()
		defer other.Close()
		reg.set("R", b.over(time.Hour))
		_, err := other.Sweep(t.Context(), workspace.SweepOptions{})
		must(t, err)
		mustBeGone(t, ws.Path)
	})

	t.Run("who is open is never too old; who cannot be asked about goes when the hold expires", func(t *testing.T) {
		b, reg := newAsking(t, func(o *workspace.Options) { o.TTL = time.Hour })
		a, u := b.ask("A", cordon.Isolated), b.ask("U", cordon.Isolated)
		reg.set("A", open())
		b.pass(50 * time.Minute)
		b.sweep()
		mustBeTree(t, u.Path, project)
		b.pass(20 * time.Minute)
		b.sweep()
		mustBeTree(t, a.Path, project)
		mustBeGone(t, u.Path)
		b.pass(24 * time.Hour) // no worker was there to sweep
		b.sweep()
		mustBeTree(t, a.Path, project)
		if b.log.count("cannot find out whether runs are over") == 0 {
			t.Error("nobody was told that one could not be asked about")
		}
	})

	t.Run("nothing is evicted for its age that nobody asked about", func(t *testing.T) {
		b, reg := newAsking(t, limited(1<<20), func(o *workspace.Options) { o.TTL = 20 * time.Minute })
		ws := b.ask("R", cordon.Isolated)
		reg.set("R", open())
		b.put("big", random(1, 1<<20-8192))
		b.pass(25 * time.Minute) // the next sweep is about to come
		mustBeKind(t, b.getErr("big", "R2", cordon.Isolated), cordon.NoSpace)
		mustBeTree(t, ws.Path, project)
		if h := b.entries()[b.rel(ws.Path)].Holders; len(h) != 1 {
			t.Errorf("holders = %+v", h)
		}
	})

	t.Run("all are asked about at once, those without an owner not at all", func(t *testing.T) {
		b, reg := newAsking(t)
		for i := range 5 {
			b.ask(name("R%d", i), cordon.Shared)
			b.ask(name("R%d", i), cordon.CopyOnWrite)
		}
		b.get("T", "by hand", cordon.Isolated)
		b.sweep()
		if len(reg.asked) != 1 || len(reg.asked[0]) != 5 {
			t.Errorf("asked: %v", reg.asked)
		}
	})

	t.Run("a run that asks again while the answer is on its way counts", func(t *testing.T) {
		b, reg := newAsking(t)
		ws := b.ask("R", cordon.Isolated)
		reg.set("R", b.over(time.Hour))
		b.pass(time.Minute)
		reg.then = func() {
			b.pass(time.Second)
			req := request("T", "R", cordon.Isolated)
			req.Owner = workspace.Owner{Cluster: "c", Namespace: "default", WorkflowID: "w-R", FirstRunID: "R", RunID: "R"}
			if _, err := b.cache.Get(context.Background(), req); err != nil {
				t.Error(err)
			}
		}
		b.sweep()
		mustBeTree(t, ws.Path, project)
	})

	t.Run("a workspace in which a tool works stays, also with the process that began it gone", func(t *testing.T) {
		b, reg := newAsking(t)
		ws := b.ask("R", cordon.Isolated)
		lease, err := b.cache.Use(t.Context(), ws.Path, workspace.Caller{Run: "R"})
		must(t, err)
		tool := exec.Command("cat")
		in, err := tool.StdinPipe()
		must(t, err)
		tool.ExtraFiles = []*os.File{lease.File()}
		must(t, tool.Start())
		lease.Release()
		reg.set("R", b.over(time.Hour))
		b.sweep()
		mustBeTree(t, ws.Path, project)
		in.Close()
		must(t, tool.Wait())
		b.sweep()
		mustBeGone(t, ws.Path)
		_, err = b.cache.Use(t.Context(), ws.Path, workspace.Caller{Run: "R"})
		mustBeKind(t, err, cordon.TargetNotFound, "no run holds it")
	})

	t.Run("holds that end with their process do so whatever anybody knows", func(t *testing.T) {
		b, reg := newAsking(t, func(o *workspace.Options) { o.ProcessBound = true })
		ws := b.ask("R", cordon.Isolated)
		reg.set("R", open())
		b.sweep()
		mustBeTree(t, ws.Path, project)
		must(t, b.cache.Close())
		reg.set("R", workspace.Fate{})
		b.cache = b.open()
		b.sweep()
		mustBeGone(t, ws.Path)
	})
}

func TestKeepOnFailure(t *testing.T) {
	wish := func(r *workspace.Request) { r.KeepOnFailure = true }
	failed := func(b *bench) workspace.Fate {
		f := b.over(time.Hour)
		f.Failed, f.Status = true, "failed"
		return f
	}
	b, reg := newAsking(t, func(o *workspace.Options) { o.TTL = 24 * time.Hour })
	bad, good := b.ask("bad", cordon.Isolated, wish), b.ask("good", cordon.Isolated, wish)
	shared := b.ask("S", cordon.Shared, wish)
	reg.set("bad", failed(b))
	reg.set("good", b.over(time.Hour))
	reg.set("S", failed(b))

	dry, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{DryRun: true})
	must(t, err)
	if len(dry.Removals) != 2 {
		t.Errorf("dry run: %+v", dry)
	}
	b.sweep()
	mustBeTree(t, bad.Path, project)
	mustBeGone(t, good.Path)
	if h := b.entries()[b.rel(shared.Path)].Holders; len(h) != 0 {
		t.Errorf("the shared tree is held: %+v", h)
	}
	if b.log.count(bad.Path) == 0 {
		t.Error("the log does not say where it is")
	}
	// It ended an hour ago, and has a day from then.
	if h := b.entries()[b.rel(bad.Path)].Holders; len(h) != 1 || !h[0].Expires.Equal(reg.fates["bad"].Closed.Add(24*time.Hour)) {
		t.Errorf("holders = %+v, want one until a day after %v", h, reg.fates["bad"].Closed)
	}
	// Temporal forgets the run; the cache does not, and eviction keeps off.
	reg.set("bad", workspace.Fate{State: workspace.RunClosed, Status: "not found"})
	b.pass(22 * time.Hour)
	b.sweep()
	mustBeTree(t, bad.Path, project)
	if _, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{Shrink: true}); err != nil {
		t.Fatal(err)
	}
	mustBeTree(t, bad.Path, project)
	b.pass(2 * time.Hour)
	b.sweep()
	mustBeGone(t, bad.Path)
	b.mustBeTidy()
}

func TestOneRunIDOfSeveralExecutions(t *testing.T) {
	as := func(execution string) func(*workspace.Request) {
		return func(r *workspace.Request) {
			r.Owner = workspace.Owner{Cluster: "c", Namespace: "default", WorkflowID: "w", FirstRunID: "first", RunID: execution}
		}
	}
	for _, mode := range modes {
		t.Run("what they have stays until the last of them is over: "+string(mode), func(t *testing.T) {
			b, reg := newAsking(t)
			ws := b.ask("R", mode, as("one"))
			for _, next := range []string{"two", "three"} {
				if again := b.ask("R", mode, as(next)); again.Path != ws.Path {
					t.Errorf("%s has %s, the one before %s", next, again.Path, ws.Path)
				}
			}
			reg.set("one", b.over(time.Hour))
			reg.set("two", open())
			reg.set("three", b.over(time.Hour))
			b.pass(time.Minute)
			b.sweep()
			mustBeTree(t, ws.Path, project)
			if h := b.entries()[b.rel(ws.Path)].Holders; len(h) != 1 || h[0].Owner.RunID != "three" {
				t.Errorf("holders = %+v", h)
			}
			reg.set("two", b.over(time.Hour))
			b.pass(time.Minute)
			b.sweep()
			if h := b.entries()[b.rel(ws.Path)].Holders; len(h) != 0 {
				t.Errorf("holders = %+v", h)
			}
		})
	}

	t.Run("several that ask at one instant are all remembered", func(t *testing.T) {
		b, reg := newAsking(t)
		other := b.open()
		defer other.Close()
		for round := range 50 {
			run := name("R%d", round)
			ws := b.ask(run, cordon.Shared, as("one"))
			var both sync.WaitGroup
			for i, c := range []*workspace.Cache{b.cache, other} {
				both.Go(func() {
					req := request("T", run, cordon.Shared)
					as(name("%d", i))(&req)
					if _, err := c.Get(t.Context(), req); err != nil {
						t.Error(err)
					}
				})
			}
			both.Wait()
			for i := range 2 { // one of them is open, each in turn
				reg.set("one", b.over(time.Hour))
				reg.set(name("%d", i), open())
				reg.set(name("%d", 1-i), b.over(time.Hour))
				b.pass(time.Minute)
				b.sweep()
				if h := b.entries()[b.rel(ws.Path)].Holders; len(h) != 1 {
					t.Fatalf("round %d: execution %d was forgotten: %+v", round, i, h)
				}
			}
			b.cleanup(ws.Path, run)
		}
	})

	t.Run("one that cleans up under another run id ends its own part alone", func(t *testing.T) {
		b, _ := newAsking(t)
		owner := func(id string) workspace.Owner {
			return workspace.Owner{Cluster: "c", Namespace: "default", WorkflowID: id, FirstRunID: id, RunID: id}
		}
		for _, id := range []string{"one", "two"} {
			b.ask("R", cordon.Shared, func(r *workspace.Request) { r.Owner = owner(id) })
		}
		for i, id := range []string{"two", "one"} {
			_, err := b.cache.Cleanup(t.Context(), b.path("T/workspace"), workspace.Caller{Run: id, Owner: owner(id)})
			must(t, err)
			if h := b.entries()["T/workspace"].Holders; len(h) != 1-i {
				t.Errorf("after %s: %+v", id, h)
			}
		}
	})

	t.Run("any of them may clean up", func(t *testing.T) {
		b, _ := newAsking(t)
		ws := b.ask("R", cordon.Shared, as("one"))
		b.ask("R", cordon.Shared, as("two"))
		by := workspace.Caller{Owner: workspace.Owner{Cluster: "c", Namespace: "default", RunID: "one"}}
		if res, err := b.cache.Cleanup(t.Context(), ws.Path, by); err != nil || res.Outcome != workspace.Released {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

func TestKeep(t *testing.T) {
	for name, bound := range map[string]bool{"a hold that outlives its process": false, "one that does not": true} {
		t.Run(name, func(t *testing.T) {
			b, reg := newAsking(t, func(o *workspace.Options) { o.ProcessBound, o.TTL = bound, 24*time.Hour })
			ws := b.ask("R", cordon.Isolated)
			reg.set("R", open())
			until, err := b.cache.Keep(t.Context(), ws.Path)
			must(t, err)
			if d := until.Sub(b.opts.Now()); d < 23*time.Hour || d > 25*time.Hour {
				t.Errorf("until %v", until)
			}
			must(t, b.cache.Close())
			b.cache = b.open()
			reg.set("R", b.over(0))
			b.pass(23 * time.Hour)
			b.sweep()
			mustBeTree(t, ws.Path, project)
			b.pass(2 * time.Hour)
			b.sweep()
			mustBeGone(t, ws.Path)
		})
	}

	t.Run("a run that asks again lives on", func(t *testing.T) {
		b, reg := newAsking(t, func(o *workspace.Options) { o.TTL = time.Hour })
		ws := b.ask("R", cordon.Isolated)
		_, err := b.cache.Keep(t.Context(), ws.Path)
		must(t, err)
		b.ask("R", cordon.Isolated)
		reg.set("R", open())
		b.pass(2 * time.Hour)
		b.sweep()
		mustBeTree(t, ws.Path, project)
		reg.set("R", b.over(time.Hour))
		b.pass(time.Minute)
		b.sweep()
		mustBeGone(t, ws.Path)
	})

	t.Run("there is nothing to keep of what is shared, unknown or elsewhere", func(t *testing.T) {
		b, _ := newAsking(t)
		ws := b.ask("R", cordon.Shared)
		for _, p := range []string{ws.Path, b.path("T/nobody/workspace"), "/etc", ""} {
			if until, err := b.cache.Keep(t.Context(), p); err != nil || !until.IsZero() {
				t.Errorf("%s: %v, %v", p, until, err)
			}
		}
	})
}

// The clock goes on during a sweep: its parts must not differ about a run the grace
// of which passes meanwhile.
func TestAGraceThatPassesDuringASweep(t *testing.T) {
	for n := range 20 {
		var ticks atomic.Int64
		b, reg := newAsking(t, func(o *workspace.Options) {
			o.Now = func() time.Time { return time.Now().Add(time.Duration(ticks.Add(1)) * time.Second) }
		})
		ws := b.ask("R", cordon.Isolated, func(r *workspace.Request) { r.KeepOnFailure = true })
		fate := b.over(workspace.DefaultGrace - time.Duration(n+1)*time.Second)
		fate.Status, fate.Failed = "failed", true
		reg.set("R", fate)
		for range 2 {
			b.sweep()
			mustBeTree(t, ws.Path, project)
		}
	}
}
