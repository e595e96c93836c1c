package model_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon/workspace"
)

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

const plenty = 1 << 40

// limitOf draws a limit: what holds one or two entries, some, or everything.
func limitOf(t *rapid.T) int64 {
	return rapid.SampledFrom([]int64{100_000, 230_000, 350_000, 600_000, plenty}).Draw(t, "limit")
}

// lanes is how many worlds there are at once: they wait for mounts most of the time.
const lanes = 3

func TestModel(t *testing.T) {
	seen := newTally()
	choice := newContents()
	for _, c := range choice {
		c.measure(t, "copy!")
	}
	t.Run("", func(t *testing.T) {
		for range lanes {
			t.Run("copies", func(t *testing.T) {
				t.Parallel()
				rapid.Check(t, func(t *rapid.T) {
					w := newWorld(t, seen, choice, func(o *workspace.Options) { o.CowDriver = mustDriver(t, "copy!") })
					defer w.close(t)
					w.open(t, limitOf(t))
					actions := w.actions()
					t.Repeat(actions)
					w.finish(t)
				})
			})
		}
	})
	t.Log(seen)
}

// Views are mounted, and need their bases. Nothing is removed by hand: who does that
// has to unmount first.
func TestModelOfViews(t *testing.T) {
	seen := newTally()
	choice := newContents()
	needOverlay(t)
	for _, c := range choice {
		c.measure(t, "overlay!")
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, seen, choice, func(o *workspace.Options) { o.CowDriver = mustDriver(t, "overlay!") })
		defer w.close(t)
		w.views = true
		w.open(t, plenty)
		actions := w.actions()
		delete(actions, "RemoveByHand")
		delete(actions, "Resize")
		t.Repeat(actions)
		w.finish(t)
	})
	t.Log(seen)
}

// needOverlay skips the test where there are no views.
func needOverlay(t *testing.T) {
	t.Helper()
	top := scratch(t)
	defer clear(t, top)
	c := openCache(t, workspace.Options{Dir: top + "/cache", CowDriver: mustDriver(t, "overlay!")})
	defer c.Close()
	if _, err := c.CowDriver(); err != nil {
		t.Skip(err)
	}
}

// actions are what may happen to w, Gets more often than the rest.
func (w *world) actions() map[string]func(*rapid.T) {
	actions := rapid.StateMachineActions(w)
	for i := range 6 {
		actions[fmt.Sprint("Get", i)] = w.Get
	}
	return actions
}

// unmount takes every mount off path, as people have to who remove it by hand.
func (w *world) unmount(t *rapid.T, path string) {
	t.Helper()
	for {
		switch err := unix.Unmount(path, 0); {
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
			return // nothing is mounted there
		case err != nil && !errors.Is(err, unix.EBUSY): // a process that is being started has every descriptor of this one
			t.Fatal(err)
		}
	}
}

// settled waits for what goes on behind a caller's back and shows: a view keeps
// its base until it is deleted.
func (w *world) settled(t *rapid.T) {
	if !w.views {
		return
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		wrong := false
		for _, e := range w.listed(t) {
			if e.Kind == workspace.KindBase {
				views := 0
				for _, m := range w.entries {
					if m.base != (key{}) && m.base.target == e.Target.String() && w.entries[m.base].etag == e.ETag {
						views++
					}
				}
				// The files, and not only who is listed: one of a view that is gone counts no more.
				files, err := os.ReadDir(w.abs(".cordon/holds/" + e.Key))
				wrong = wrong || views != len(files) || err != nil && views > 0
			}
		}
		if !wrong {
			return
		}
	}
	t.Fatal("a base is held by views that are gone")
}

// finish lets every run end, and looks at what a last sweep leaves.
func (w *world) finish(t *rapid.T) {
	for _, l := range w.leases {
		l.Release()
		l.on.leases--
	}
	w.leases = nil
	for i := range w.caches {
		w.reopen(t, i)
	}
	w.pass(10 * ttl)
	w.fates = nil
	for range 2 { // a base goes once its views are deleted
		_, err := w.caches[0].Sweep(w.ctx(t), workspace.SweepOptions{})
		must(t, err)
		w.entries = map[key]*entry{}
		w.settled(t)
	}
	if have := w.listed(t); len(have) > 0 {
		t.Errorf("left: %+v", have)
	}
	for i := range w.caches {
		must(t, w.caches[i].Close()) // waits for deletions
		w.caches[i] = openCache(t, w.opts)
	}
	for _, d := range []string{"staging", "reservations", "trash", "tombstones", "records", "holds", "manifests", "bases", "quarantine"} {
		left, err := os.ReadDir(w.abs(".cordon/" + d))
		must(t, err)
		if len(left) > 0 {
			t.Errorf(".cordon/%s still holds %v", d, left)
		}
	}
}
