package workspace_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

func limited(n int64) func(*workspace.Options) {
	return func(o *workspace.Options) { o.MaxSize = cordon.BytesOf(n) }
}

func TestLimit(t *testing.T) {
	const mb = 1 << 20

	t.Run("whole entries go, the least recently used first, never one that is held", func(t *testing.T) {
		b := newBench(t, limited(5*mb))
		for _, id := range []string{"A", "B", "C", "D", "E"} {
			b.put(id, random(id[0], mb))
		}
		for _, id := range []string{"A", "B", "C", "D"} {
			b.get(id, "R", cordon.Shared)
			b.pass(time.Minute)
		}
		b.cleanup(b.path("B/target"), "R") // A stays held; B and C may go, and C was used last
		b.cleanup(b.path("C/target"), "R")
		b.get("B", "R2", cordon.Shared)
		b.cleanup(b.path("B/target"), "R2")

		b.get("E", "R", cordon.Isolated)
		b.pass(time.Minute)
		b.get("E", "R2", cordon.Isolated)
		have := b.entries()
		for _, n := range []string{"A/target", "B/target", "D/target", "E/R/target", "E/R2/target"} {
			if _, ok := have[n]; !ok {
				t.Errorf("%s is gone", n)
			}
		}
		mustBeGone(t, b.path("C"))
		if b.log.count("Evicted from cache") != 1 {
			t.Errorf("%d evictions logged, want 1", b.log.count("Evicted from cache"))
		}
		u, err := b.cache.Usage()
		must(t, err)
		if u.Recorded > u.MaxSize || u.Reserved != 0 {
			t.Errorf("usage = %+v", u)
		}
		b.mustBeTidy()
	})

	t.Run("everything is held: NoSpace before the download, with the numbers", func(t *testing.T) {
		b := newBench(t, limited(2*mb))
		b.put("A", random(1, mb))
		b.put("B", random(2, mb+mb/2))
		b.get("A", "R", cordon.Shared)
		opens := b.store.opens.Load()
		err := b.getErr("B", "R", cordon.Isolated)
		mustBeKind(t, err, cordon.NoSpace, "1.57 MB", "2.10 MB", "1.05 MB", "CACHE_MAX_SIZE")
		if b.store.opens.Load() != opens {
			t.Error("it was downloaded all the same")
		}
		mustExist(t, b.path("A/target"))
		mustBeGone(t, b.path("B"))
		b.mustBeTidy()

		b.cleanup(b.path("A/target"), "R")
		b.get("B", "R", cordon.Isolated)
		mustBeGone(t, b.path("A"))
	})

	t.Run("what cannot fit into an empty cache is TargetTooLarge and evicts nothing", func(t *testing.T) {
		b := newBench(t, limited(2*mb))
		b.put("A", random(1, mb))
		b.put("B", random(2, 3*mb))
		b.get("A", "R", cordon.Shared)
		b.cleanup(b.path("A/target"), "R")
		mustBeKind(t, b.getErr("B", "R", cordon.Isolated), cordon.TargetTooLarge, "CACHE_MAX_SIZE")
		mustExist(t, b.path("A/target"))
	})

	t.Run("an archive that grows past the limit while it is extracted leaves nothing", func(t *testing.T) {
		b := newBench(t, limited(2*mb))
		b.put("bomb", tree{"zeros": strings.Repeat("\x00", 8*mb)}.tarball(t))
		mustBeKind(t, b.getErr("bomb", "R", cordon.Isolated), cordon.TargetTooLarge)
		mustBeGone(t, b.path("bomb"))
		b.mustBeTidy()
	})

	t.Run("kept objects go before trees", func(t *testing.T) {
		b := newBench(t, limited(5*mb))
		b.put("A", tree{"data": string(random(1, mb))}.tarball(t)) // object and tree: 1 MB each
		b.get("A", "R", cordon.Shared)
		b.cleanup(b.path("A/workspace"), "R")
		b.put("B", random(2, 3*mb+mb/2))
		b.get("B", "R", cordon.Isolated)
		mustBeGone(t, b.path("A/target"))
		mustExist(t, b.path("A/workspace/data"))
		// The tree is as good without its object.
		opens := b.store.opens.Load()
		b.cleanup(b.path("B/R/target"), "R")
		mustBeTree(t, b.get("A", "R3", cordon.CopyOnWrite).Path, tree{"data": string(random(1, mb))})
		if b.store.opens.Load() != opens {
			t.Error("the target was downloaded again")
		}
	})

	t.Run("an object with two names is accounted once, and gone whole with its first", func(t *testing.T) {
		b := newBench(t, limited(6*mb))
		b.put("A", tree{"data": string(random(1, mb))}.tarball(t))
		b.cleanup(b.get("A", "R", cordon.CopyOnWrite).Path, "R")
		held := b.get("A", "R", cordon.Shared)
		if e := b.entries(); e["A/workspace"].Object != 0 || e["A/shared/workspace"].Object == 0 {
			t.Errorf("entries = %+v", e)
		}
		mustExist(t, b.path("A/target"))
		b.put("B", random(2, 3*mb+mb/2))
		b.get("B", "R", cordon.Isolated) // the base must go, and with it the object
		mustBeGone(t, b.path("A/target"))
		mustBeTree(t, held.Path, tree{"data": string(random(1, mb))})
	})

	t.Run("a base goes only when nobody copies from it, and comes back by a new download", func(t *testing.T) {
		b := newBench(t, limited(3*mb))
		b.put("A", random(1, mb))
		b.put("B", random(2, 2*mb+mb/2))
		b.cleanup(b.get("A", "R", cordon.CopyOnWrite).Path, "R")
		mustExist(t, b.path("A/shared/target"))
		b.get("B", "R", cordon.Isolated)
		mustBeGone(t, b.path("A"))
		b.cleanup(b.path("B/R/target"), "R")
		b.get("A", "R2", cordon.CopyOnWrite)
	})

	t.Run("a limit that was lowered is reached by the sweep", func(t *testing.T) {
		b := newBench(t, limited(10*mb))
		for _, id := range []string{"A", "B", "C"} {
			b.put(id, random(id[0], 2*mb))
			b.cleanup(b.get(id, "R", cordon.Shared).Path, "R")
			b.pass(time.Minute)
		}
		b.opts.MaxSize = cordon.BytesOf(5 * mb)
		b.cache = b.open()
		b.sweep()
		mustBeGone(t, b.path("A"))
		mustExist(t, b.path("B/target"))
		mustExist(t, b.path("C/target"))
	})

	t.Run("a percentage of the disk is a limit", func(t *testing.T) {
		b := newBench(t, func(o *workspace.Options) { o.MaxSize, _ = cordon.ParseSize("50%") })
		u, err := b.cache.Usage()
		must(t, err)
		if u.MaxSize < u.DiskTotal/2-1 || u.MaxSize > u.DiskTotal/2+1 {
			t.Errorf("limit %d of a disk of %d", u.MaxSize, u.DiskTotal)
		}
	})

	t.Run("the records' sum is what the disk holds", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		before, err := b.cache.DiskUsage(t.Context())
		must(t, err)
		for _, m := range modes {
			b.get("T", "R-"+string(m), m)
		}
		b.mustBeTidy()
		after, err := b.cache.DiskUsage(t.Context())
		must(t, err)
		u, err := b.cache.Usage()
		must(t, err)
		// Beside the entries the disk holds their directories and the cache's own
		// small files: some blocks an entry.
		if slack := after - before - u.Recorded; slack < -32<<10 || slack > 200<<10 {
			t.Errorf("recorded %d, on disk %d more than before", u.Recorded, after-before)
		}
	})
}

// Work under way may give back what it has reserved: that is waited for where it
// would be enough, together with what nobody holds.
func TestOnlyWhatMayComeIsWaitedFor(t *testing.T) {
	const mb = 1 << 20
	for _, tc := range []struct {
		name           string
		held, reserved int
		waits          bool
	}{
		{"it would be enough", 1, 3, true},
		{"with what nobody holds it would be enough", 2, 1, true},
		{"too much is held", 4, 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, limited(7*mb))
			b.put("held", random(1, tc.held*mb-4096))
			b.put("idle", random(2, 2*mb-4096))
			b.put("wanted", random(3, 4*mb))
			b.get("held", "R", cordon.Isolated)
			b.cleanup(b.get("idle", "R", cordon.Shared).Path, "R")
			b.mustBeTidy()
			note := b.path(".cordon/reservations/other")
			must(t, os.WriteFile(note, []byte(name(`{"id":"other","bytes":%d,"inodes":2}`, tc.reserved*mb)), 0o600))
			f, err := os.Open(note)
			must(t, err)
			defer f.Close()
			must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
			if !tc.waits {
				mustBeKind(t, b.getErr("wanted", "R", cordon.Isolated), cordon.NoSpace, "the cache has 6.28 MB", "reserved 1.05 MB")
				return
			}
			time.AfterFunc(200*time.Millisecond, func() { f.Close() })
			b.get("wanted", "R", cordon.Isolated)
		})
	}
}

func TestSweep(t *testing.T) {
	ttl := func(o *workspace.Options) { o.TTL = time.Hour }

	t.Run("what nobody used for the time to live goes, unless it is held", func(t *testing.T) {
		b := newBench(t, ttl)
		b.put("A", []byte("a"))
		b.put("B", []byte("b"))
		b.put("C", []byte("c"))
		b.cleanup(b.get("A", "R", cordon.Shared).Path, "R")
		b.get("B", "R", cordon.Shared) // held by a living process
		b.pass(50 * time.Minute)
		b.cleanup(b.get("C", "R", cordon.Shared).Path, "R")
		b.pass(30 * time.Minute)
		rep := b.sweep()
		mustBeGone(t, b.path("A"))
		mustExist(t, b.path("B/target"))
		mustExist(t, b.path("C/target"))
		if len(rep.Removals) != 1 || !strings.Contains(rep.Removals[0].Reason, "CACHE_TTL") {
			t.Errorf("removals = %+v", rep.Removals)
		}
		if again := b.sweep(); len(again.Removals) != 0 {
			t.Errorf("a second sweep removed %+v", again.Removals)
		}
	})

	t.Run("a use keeps an entry", func(t *testing.T) {
		b := newBench(t, ttl)
		b.put("A", []byte("a"))
		for i := range 5 {
			b.cleanup(b.get("A", name("R%d", i), cordon.Shared).Path, name("R%d", i))
			b.pass(50 * time.Minute)
		}
		b.sweep()
		mustExist(t, b.path("A/target"))
	})

	t.Run("without a time to live nothing goes by age", func(t *testing.T) {
		b := newBench(t)
		b.put("A", []byte("a"))
		b.cleanup(b.get("A", "R", cordon.Shared).Path, "R")
		b.pass(1000 * time.Hour)
		b.sweep()
		mustExist(t, b.path("A/target"))
	})

	t.Run("a run's hold outlives its process, until it expires", func(t *testing.T) {
		b := newBench(t, ttl)
		b.put("A", []byte("a"))
		b.get("A", "R", cordon.Isolated)
		b.get("A", "S", cordon.Shared)
		b.cache.Close()
		b.cache = b.open()
		b.pass(50 * time.Minute)
		b.sweep()
		mustExist(t, b.path("A/R/target"))
		mustExist(t, b.path("A/target"))
		b.pass(3 * time.Hour)
		b.sweep()
		mustBeGone(t, b.path("A"))
	})

	t.Run("a dry run says what would go and touches nothing", func(t *testing.T) {
		b := newBench(t, ttl)
		b.put("A", []byte("a"))
		b.cleanup(b.get("A", "R", cordon.Shared).Path, "R")
		b.pass(3 * time.Hour)
		rep, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{DryRun: true})
		must(t, err)
		if len(rep.Removals) != 1 {
			t.Errorf("removals = %+v", rep.Removals)
		}
		mustExist(t, b.path("A/target"))
	})

	t.Run("shrinking evicts what nobody holds", func(t *testing.T) {
		b := newBench(t)
		b.put("A", []byte("a"))
		b.put("B", []byte("b"))
		b.cleanup(b.get("A", "R", cordon.Shared).Path, "R")
		b.get("B", "R", cordon.Shared)
		_, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{Shrink: true})
		must(t, err)
		mustBeGone(t, b.path("A"))
		mustExist(t, b.path("B/target"))
	})

	t.Run("what the cache did not make is never touched", func(t *testing.T) {
		b := newBench(t, ttl)
		for _, d := range []string{"corpus/a/workspace", "output", "T2/R/workspace"} {
			must(t, os.MkdirAll(b.path(d), 0o755))
		}
		must(t, os.WriteFile(b.path("file"), nil, 0o644))
		b.pass(1000 * time.Hour)
		b.sweep()
		for _, d := range []string{"corpus/a/workspace", "output", "T2/R/workspace", "file"} {
			mustExist(t, b.path(d))
		}
	})

	t.Run("leftovers of every kind go", func(t *testing.T) {
		b := newBench(t)
		for _, d := range []string{"staging/dead/entry/workspace", "trash/old/x", "holds/run-none"} {
			must(t, os.MkdirAll(b.path(".cordon/"+d), 0o755))
		}
		for _, f := range []string{"records/garbage.json", "reservations/dead", "tombstones/run-none", "records/.tmp-x", "locks/run-old"} {
			must(t, os.WriteFile(b.path(".cordon/"+f), []byte("{"), 0o644))
		}
		b.pass(48 * time.Hour)
		b.sweep()
		b.mustBeTidy()
		for _, n := range []string{"records/garbage.json", "holds/run-none", "records/.tmp-x", "locks/run-old"} {
			mustBeGone(t, b.path(".cordon/"+n))
		}
	})

	t.Run("two sweeps at once: one works, the other says busy", func(t *testing.T) {
		b := newBench(t)
		b.put("A", []byte("a"))
		busy, done := make(chan bool, 20), make(chan struct{})
		for range 20 {
			go func() {
				rep, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{})
				if err != nil {
					t.Error(err)
				}
				busy <- rep.Busy
				done <- struct{}{}
			}()
		}
		worked := 0
		for range 20 {
			if !<-busy {
				worked++
			}
			<-done
		}
		if worked == 0 {
			t.Error("nobody swept")
		}
	})
}
