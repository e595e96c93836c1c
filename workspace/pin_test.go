package workspace_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// only returns the key of the one entry of that kind.
func (b *bench) only(kind workspace.Kind) string {
	b.t.Helper()
	found := ""
	for _, e := range b.entries() {
		if e.Kind == kind {
			if found != "" {
				b.t.Fatalf("two entries of kind %s", kind)
			}
			found = e.Key
		}
	}
	if found == "" {
		b.t.Fatalf("no entry of kind %s", kind)
	}
	return found
}

func (b *bench) unpin(key string) {
	b.t.Helper()
	if was, err := b.cache.Unpin(key); err != nil || !was {
		b.t.Fatalf("unpin %s: %t, %v", key, was, err)
	}
}

func TestFind(t *testing.T) {
	b := newBench(t)
	b.put("one", project.tarball(t))
	b.put("two", project.tarball(t))
	own := b.get("one", "r1", cordon.Isolated)
	shared := b.get("two", "r1", cordon.Shared)
	b.get("two", "r2", cordon.Isolated)
	run := keyOf("run", "one", "r1")
	must(t, os.Symlink(b.opts.Dir, filepath.Join(b.top, "link")))
	other := b.opts
	other.Dir = filepath.Join(b.top, "link")
	linked, err := workspace.Open(other)
	must(t, err)
	defer linked.Close()
	tests := []struct{ name, arg, want string }{
		{"a key", run, run},
		{"the beginning of a key", run[:12], run},
		{"the digits alone", strings.TrimPrefix(run, "run-")[:10], run},
		{"what was handed out", own.Path, run},
		{"its directory", filepath.Dir(own.Path) + "/", run},
		{"a shared tree's directory is the target's", filepath.Dir(shared.Path), keyOf("shared", "two")},
		{"the id of a target that has one entry", "one", run},
	}
	for _, tt := range tests {
		for _, c := range []*workspace.Cache{b.cache, linked} {
			e, err := c.Find(tt.arg)
			if err != nil || e.Key != tt.want {
				t.Errorf("%s: %q is %q, %v; want %q", tt.name, tt.arg, e.Key, err, tt.want)
			}
		}
	}
	for _, arg := range []string{"", "three", "/", own.Path + "/main.py", "../" + run, run + "0", filepath.Base(own.Path)} {
		_, err := b.cache.Find(arg)
		mustBeKind(t, err, cordon.TargetNotFound, "cordon cache ls")
	}
	for _, arg := range []string{"two", "run-"} {
		_, err := b.cache.Find(arg)
		mustBeKind(t, err, cordon.InvalidArgument, "each of 2", keyOf("run", "two", "r2"), "two/r2")
	}
}

// A pinned entry stays through everything that removes entries, and goes with the
// next sweep once it is not pinned any more.
func TestPinnedStays(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			b := newBench(t, func(o *workspace.Options) { o.TTL = time.Hour })
			b.put("t", project.tarball(t))
			ws := b.get("t", "one", mode)
			kind := workspace.KindRun
			if mode == cordon.Shared {
				kind = workspace.KindShared
			}
			key := b.only(kind)
			must(t, b.cache.Pin(key, "to look at"))
			pin := b.entries()[b.rel(ws.Path)].Pin
			if pin == nil || pin.Reason != "to look at" || !strings.Contains(pin.By, "@") || pin.Since.IsZero() {
				t.Fatalf("the pin is %+v", pin)
			}
			done := b.cleanup(ws.Path, "one")
			if mode != cordon.Shared && (done.Outcome != workspace.Kept || !strings.Contains(done.Reason, "pinned by "+pin.By+": to look at")) {
				t.Errorf("cleanup says %+v", done)
			}
			b.pass(100 * time.Hour)
			rep, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{Shrink: true})
			must(t, err)
			mustBeTree(t, ws.Path, project)
			e := b.entries()[b.rel(ws.Path)]
			if len(e.Holders) != 0 || !e.Expires.IsZero() {
				t.Errorf("the entry is %+v after %+v", e, rep)
			}
			if u, err := b.cache.Usage(); err != nil || u.Pinned != e.Bytes || u.Held != 0 && mode != cordon.CopyOnWrite {
				t.Errorf("usage is %+v, %v", u, err)
			}
			b.unpin(key)
			b.sweep()
			mustBeGone(t, ws.Path)
			waitFor(t, func() bool { // a base goes once its view is unmounted
				b.sweep()
				_, err := os.Stat(b.path("t"))
				return err != nil
			})
			if was, err := b.cache.Unpin(key); was || err != nil {
				t.Errorf("unpinning it again: %t, %v", was, err)
			}
		})
	}
}

// The kept object of a pinned base stays too, and whoever needs the room is told.
func TestPinnedMakesNoRoom(t *testing.T) {
	const mb = 1 << 20
	b := newBench(t, limited(6*mb))
	b.put("t", tree{"blob": string(random('t', 2*mb))}.tarball(t))
	b.cleanup(b.get("t", "one", cordon.Shared).Path, "one")
	must(t, b.cache.Pin(b.only(workspace.KindShared), ""))
	b.put("small", random('s', mb/2))
	b.cleanup(b.get("small", "one", cordon.Shared).Path, "one")
	for _, r := range b.dry(workspace.SweepOptions{Shrink: true}).Removals {
		if r.Target.String() == "t" {
			t.Errorf("a dry run would remove %+v", r)
		}
	}
	b.put("big", random('b', 4*mb+mb/4))
	err := b.getErr("big", "two", cordon.Isolated)
	mustBeKind(t, err, cordon.NoSpace, "are pinned", "unpin")
	mustExist(t, b.path("small/target")) // nothing goes in vain
	if e := b.entries()["t/workspace"]; e.Object == 0 {
		t.Error("the object of the pinned tree was evicted")
	}
	b.unpin(keyOf("shared", "t"))
	b.get("big", "two", cordon.Isolated)
	mustBeGone(t, b.path("t/target"))
}

// A pinned base is not made anew for a driver that would rather have another one.
func TestPinnedBaseIsMadeDoWith(t *testing.T) {
	needMounts(t)
	b := newBench(t, on(t, "btrfs"), by(t, "overlay!"))
	b.put("t", project.tarball(t))
	b.cleanup(b.get("t", "one", cordon.CopyOnWrite).Path, "one")
	b.mustBeTidy()
	must(t, b.cache.Pin(b.only(workspace.KindBase), ""))
	by(t, "snapshot")(&b.opts)
	b.cache = b.open()
	ws := b.get("t", "two", cordon.CopyOnWrite)
	mustBeTree(t, ws.Path, project)
	if ws.Driver != "overlay" || b.store.opens.Load() != 1 {
		t.Errorf("made by %s after %d downloads", ws.Driver, b.store.opens.Load())
	}
}

// A pin is of the key: the next version at the path has it too.
func TestPinOutlivesAVersion(t *testing.T) {
	b := newBench(t, func(o *workspace.Options) { o.TTL = time.Hour })
	b.put("t", []byte("old"))
	b.cleanup(b.get("t", "one", cordon.Shared).Path, "one")
	key := b.only(workspace.KindShared)
	must(t, b.cache.Pin(key, ""))
	b.put("t", []byte("newer"))
	ws := b.get("t", "two", cordon.Shared)
	b.cleanup(ws.Path, "two")
	b.pass(10 * time.Hour)
	b.sweep()
	if got, err := os.ReadFile(ws.Path); string(got) != "newer" || b.entries()["t/target"].Pin == nil {
		t.Errorf("the path has %q, %v, and the pin %v", got, err, b.entries()["t/target"].Pin)
	}
}

// What is gone or broken goes, pinned or not; the pin goes after it.
func TestPinOfWhatIsGone(t *testing.T) {
	b := newBench(t)
	b.put("t", project.tarball(t))
	ws := b.get("t", "one", cordon.Isolated)
	key := b.only(workspace.KindRun)
	must(t, b.cache.Pin(key, ""))
	must(t, os.RemoveAll(filepath.Dir(ws.Path)))
	b.sweep()
	if _, err := os.Stat(b.path(".cordon/records/" + key + ".json")); err == nil {
		t.Error("the record of what is gone stays")
	}
	mustExist(t, b.path(".cordon/pins/"+key)) // it may be made anew
	b.pass(3 * time.Hour)
	b.sweep()
	mustBeGone(t, b.path(".cordon/pins/"+key))
	mustBeKind(t, b.cache.Pin(key, ""), cordon.TargetNotFound)
	mustBeKind(t, b.cache.Pin("../../x", ""), cordon.TargetNotFound)
}

// Whoever makes or removes the entry is waited for, and not for ever.
func TestPinWaits(t *testing.T) {
	b := newBench(t)
	b.put("t", project.tarball(t))
	b.get("t", "one", cordon.Isolated)
	key := b.only(workspace.KindRun)
	f, err := os.OpenFile(b.path(".cordon/locks/"+key), os.O_RDWR, 0)
	must(t, err)
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	mustBeKind(t, b.cache.Pin(key, ""), cordon.Busy)
	mustBeGone(t, b.path(".cordon/pins/"+key))
	f.Close()
	must(t, b.cache.Pin(key, ""))
}

// Of a pin and a removal that meet, one comes first: what Pin says is pinned is there.
func TestPinMeetsRemoval(t *testing.T) {
	b := newBench(t)
	b.put("t", tree{"a": "1"}.tarball(t))
	other := b.open()
	began, pinned := time.Now(), 0
	for i := 0; time.Since(began) < *raceTime; i++ {
		run := name("r%d", i)
		ws := b.get("t", run, cordon.Isolated)
		key := keyOf("run", "t", run)
		var wg sync.WaitGroup
		var err error
		wg.Go(func() { err = other.Pin(key, "") })
		wg.Go(func() {
			if i%2 == 0 {
				b.cleanup(ws.Path, run)
			} else if _, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{Shrink: true}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if err != nil {
			mustBeKind(t, err, cordon.TargetNotFound)
			continue
		}
		pinned++
		mustExist(t, ws.Path+"/a")
		b.unpin(key)
		b.cleanup(ws.Path, run)
		mustBeGone(t, ws.Path)
	}
	t.Logf("%d pins came first", pinned)
}

// A cleanup that met the making of a workspace spares it if it is pinned by then.
func TestPinMeetsTombstone(t *testing.T) {
	b := newBench(t)
	b.put("t", project.tarball(t))
	ws := b.get("t", "one", cordon.Isolated)
	key := b.only(workspace.KindRun)
	must(t, b.cache.Pin(key, ""))
	must(t, os.WriteFile(b.path(".cordon/tombstones/"+key), nil, 0o644))
	b.sweep()
	mustBeTree(t, ws.Path, project)
	mustBeGone(t, b.path(".cordon/tombstones/"+key))
}
