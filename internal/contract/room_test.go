package contract_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
)

// Rows 8, 9 and 18: what happens when there is no room. What goes wrong at every
// single step is in internal/faults.

// reopen lets a worker with other settings take over.
func (d *desk) reopen(change func(*workspace.Options)) {
	d.t.Helper()
	must(d.t, d.cache.Close())
	d.acts.Stop()
	store, err := d.shelf.open(d.logger)
	must(d.t, err)
	o := workspace.Options{Dir: d.cacheDir, Store: store, Logger: d.logger}
	change(&o)
	d.cache, err = workspace.Open(o)
	must(d.t, err)
	d.t.Cleanup(func() { d.cache.Close() })
	d.acts = activities.New(activities.Options{Cache: d.cache, Catalog: d.catalog, Logger: d.logger})
	d.t.Cleanup(d.acts.Stop)
}

// blob is a target of a known size that does not compress: one file.
func blob(id string, size int) tree {
	content := strings.Repeat(id+" ", size/(len(id)+1)+1)
	return tree{"blob": content[:size]}
}

func TestRow08_OverItsLimitWithLiveRuns(t *testing.T) {
	const mb = 1 << 20
	d := newDesk(t)
	d.reopen(func(o *workspace.Options) { o.MaxSize = cordon.BytesOf(5*mb - 1) })
	sizes := map[string]int{"held": mb, "oldest": mb, "older": mb, "new": 2 * mb, "more": 3 * mb}
	for id, size := range sizes {
		d.put(id, []byte(blob(id, size)["blob"]))
	}
	mustBeWhole := func(id, path string) {
		t.Helper()
		if b, err := os.ReadFile(path); err != nil || string(b) != blob(id, sizes[id])["blob"] {
			t.Errorf("%s is %d bytes, %v", path, len(b), err)
		}
	}
	paths := map[string]string{}
	stamp := time.Now().Add(-time.Hour)
	for _, id := range []string{"held", "oldest", "older"} {
		paths[id] = d.getTarget(id, "run-"+id, "shared")
		stamp = stamp.Add(time.Minute)
		d.use(id, stamp)
	}
	d.cleanup(paths["older"])
	d.cleanup(paths["oldest"])

	fresh := d.getTarget("new", "run-new", "isolated")
	mustBeWhole("new", fresh)
	mustNotExist(t, d.cacheDir+"/oldest")
	mustBeWhole("older", paths["older"])
	mustBeWhole("held", paths["held"])
	if !d.logged("Evicted from cache") {
		t.Error("nothing in the log says so")
	}

	// However old it is, what is in use does not go; and nothing goes in vain.
	mustFail(t, d.try("get_target", "more", "run-more", "isolated"), cordon.NoSpace, "CACHE_MAX_SIZE")
	for id, path := range map[string]string{"new": fresh, "older": paths["older"], "held": paths["held"]} {
		mustBeWhole(id, path)
	}
	d.cleanup(fresh)
	mustBeWhole("more", d.getTarget("more", "run-more", "isolated"))
	mustBeWhole("held", paths["held"])
}

// use makes the shared entry of a target look as if it was last used at that time.
func (d *desk) use(id string, at time.Time) {
	d.t.Helper()
	all, err := d.cache.Entries()
	must(d.t, err)
	for _, e := range all {
		if e.Target.String() == id {
			must(d.t, os.Chtimes(d.cacheDir+"/.cordon/records/"+e.Key+".json", at, at))
		}
	}
}

func TestRow09_NotUsedForItsTimeToLive(t *testing.T) {
	var ahead time.Duration
	d := newDesk(t)
	d.reopen(func(o *workspace.Options) {
		o.TTL, o.Now = 24*time.Hour, func() time.Time { return time.Now().Add(ahead) }
	})
	for _, id := range []string{"unused", "used", "held"} {
		d.put(id, project.tarball(t))
	}
	d.cleanup(d.getTarget("unused", "run-1", "shared"))
	d.cleanup(d.getTarget("used", "run-1", "shared"))
	held := d.getTarget("held", "run-1", "shared")
	lease, err := d.cache.Use(t.Context(), held, workspace.Caller{Run: "run-1"}) // a tool works in it
	must(t, err)
	ahead = 23 * time.Hour
	d.cleanup(d.getTarget("used", "run-2", "shared"))
	ahead = 25 * time.Hour
	for range 2 { // the second finds nothing more to do
		_, err := d.cache.Sweep(context.Background(), workspace.SweepOptions{})
		must(t, err)
		mustNotExist(t, d.cacheDir+"/unused")
		mustBeTree(t, d.cacheDir+"/used/workspace", project)
		mustBeTree(t, held, project)
	}
	lease.Release()
	d.cleanup(held)
	ahead = 50 * time.Hour
	_, err = d.cache.Sweep(context.Background(), workspace.SweepOptions{})
	must(t, err)
	mustNotExist(t, d.cacheDir+"/held")
}

func TestRow18_DiskFullInTheMiddle(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			mnt := loopfs.New(t, "tmpfs", 24<<20)
			t.Cleanup(func() { mountstest.UnmountBelow(t, mnt) })
			d := newDesk(t)
			d.cacheDir = mnt + "/cache"
			d.reopen(func(o *workspace.Options) { o.FillDisk = true })
			d.put("near", project.tarball(t))
			other := d.getTarget("near", "other", mode)
			d.put("T", blob("T", 4<<20).tarball(t))
			stranger := mnt + "/stranger"
			// Enough for the object, and not for the tree.
			must(t, os.WriteFile(stranger, make([]byte, 17<<20), 0o644))
			began := time.Now()
			mustFail(t, d.try("get_target", "T", "run-1", mode), cordon.NoSpace)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v to fail", took)
			}
			mustBeTree(t, other, project)
			mustNotExist(t, d.cacheDir+"/T")
			waitFor(t, func() (string, bool) { // deletions go on behind the caller's back
				_, hidden := d.contents()
				return "left: " + strings.Join(hidden, ", "), len(hidden) == 0
			})
			must(t, os.Remove(stranger))
			path := d.getTarget("T", "run-1", mode)
			mustBeTree(t, path, blob("T", 4<<20))
			mustBeTree(t, other, project)
		})
	}
}

// Row 13 at the engine, with the work on this side: a copy or an extraction that is
// cancelled, or whose cache is closed, is over at once and leaves nothing.
func TestRow13_StoppedWhileItExtracts(t *testing.T) {
	const size = 64 << 20
	for _, mode := range modes {
		for _, closes := range []bool{false, true} {
			what := mode + ", cancelled"
			if closes {
				what = mode + ", closed"
			}
			t.Run(what, func(t *testing.T) {
				d := newDesk(t)
				d.put("bulk", blob("bulk", size).tarball(t))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				d.reopen(func(o *workspace.Options) { o.FetchLimit = size / 8 }) // so that it takes as long as it takes
				ended := make(chan error, 1)
				go func() { ended <- d.get(ctx, "run-1", mode, nil) }()
				d.mustBeArriving(1 << 20)
				began := time.Now()
				if closes {
					must(t, d.cache.Close())
				} else {
					cancel()
				}
				select {
				case err := <-ended:
					if err == nil || !closes && !errors.Is(err, context.Canceled) {
						t.Errorf("the call ended with %v", err)
					}
				case <-time.After(2 * mustBeOver):
					t.Error("the call goes on")
				}
				d.mustHaveStopped(t, began)
			})
		}
	}
}
