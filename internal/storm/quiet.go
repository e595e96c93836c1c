package storm

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// quiet looks at the invariants when every process has ended: what runs have is
// there, one sweep leaves nothing that is nobody's, and a second one does nothing.
func (w *season) quiet() {
	if w.failed() {
		return
	}
	w.said.reset()
	w.each(func(c *claim) { c.linger = nil; c.check("after the round") })
	time.Sleep(w.Grace) // of the runs that ended last
	rehearsed := w.sweep(0, workspace.SweepOptions{DryRun: true, Restore: true})
	done := w.sweep(0, workspace.SweepOptions{Restore: true})
	w.countEvents()
	if w.Raids || w.failed() {
		return // what was removed by hand leaves what nobody can know of
	}
	for _, r := range rehearsed.Removals {
		if !slices.ContainsFunc(done.Removals, func(d workspace.Removal) bool { return d.Path == r.Path }) && w.TTL == 0 {
			w.fail(about{path: r.Path}, "a dry run would have removed %s (%s), and the sweep after it did not: %+v", r.Path, r.Reason, done)
		}
	}
	w.tidy()
	w.listed()
	w.each(func(c *claim) {
		if w.rare(5) {
			c.check("after the sweep")
		}
	})
	before := w.inventory()
	again := w.sweep(0, workspace.SweepOptions{Restore: true})
	if w.TTL == 0 {
		if len(again.Removals)+len(again.Deferred) > 0 || again.Freed > 0 {
			w.fail(about{}, "a second sweep had something to do: %+v\nafter the first: %+v", again, done)
		}
		after := w.inventory()
		for _, name := range slices.Sorted(maps.Keys(union(before, after))) {
			if before[name] != after[name] {
				w.fail(about{}, "a second sweep changed %s from %q to %q", name, before[name], after[name])
			}
		}
	}
	if w.Grace > 0 {
		return // a sweep renews the holds of runs that are open, and must not do so ahead of its time
	}
	// Lock files and temporary ones go when they are so old that nobody can use them.
	w.sweep(25*time.Hour, workspace.SweepOptions{Restore: true})
	if w.TTL > 0 {
		// Now that their views are gone, bases are over their time to live too.
		w.sweep(25*time.Hour, workspace.SweepOptions{Restore: true})
	}
	w.aged()
}

func (w *season) rare(n int) bool { return int(w.sum.rounds.Load())%n == 0 }

func (w *season) each(do func(c *claim)) {
	for _, l := range w.lanes {
		for _, r := range slices.Concat(l.runs, l.kept) {
			for _, c := range maps.Clone(r.claims) {
				do(c)
			}
		}
	}
}

// open opens the cache in this process, with its clock ahead.
func (w *season) open(ahead time.Duration) (*workspace.Cache, error) {
	opts := workspace.Options{
		Dir: w.cache, Store: w.shelf.store, MaxSize: cordon.BytesOf(w.MaxSize), TTL: w.TTL, FillDisk: true,
		Logger: slog.New(slog.NewTextHandler(&w.said, nil)), Now: func() time.Time { return time.Now().Add(ahead) },
	}
	if w.Grace > 0 {
		opts.Runs, opts.Grace = answering{w.runs}, w.Grace
	}
	return workspace.Open(opts)
}

// sweep sweeps once and waits until that has deleted what it took away.
func (w *season) sweep(ahead time.Duration, opts workspace.SweepOptions) workspace.SweepReport {
	c, err := w.open(ahead)
	if err != nil {
		w.fail(about{}, "open: %v", err)
		return workspace.SweepReport{}
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), w.Patience)
	defer cancel()
	rep, err := c.Sweep(ctx, opts)
	if err != nil || rep.Busy {
		w.fail(about{}, "sweep: %v, busy %v", err, rep.Busy)
	}
	fmt.Fprintf(&w.said, "%+v: %+v\n", opts, rep)
	return rep
}

func (w *season) state(name ...string) string {
	return filepath.Join(append([]string{w.cache, ".cordon"}, name...)...)
}

// names lists a directory; what is not there is empty.
func names(dir string) (all []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// tidy looks for what dead processes left.
func (w *season) tidy() {
	for _, d := range []string{"staging", "reservations", "tombstones", "trash", "quarantine"} {
		if left := names(w.state(d)); len(left) > 0 {
			w.fail(about{}, "after a sweep .cordon/%s still has %v", d, left)
		}
	}
	for _, d := range []string{w.precious, filepath.Join(w.cache, foreign)} {
		if b, err := os.ReadFile(filepath.Join(d, "file")); err != nil || string(b) != foreign {
			w.fail(about{}, "%s, which is not the cache's, was touched: %q, %v", d, b, err)
		}
	}
}

// inventory describes everything that a sweep may change, by its path.
func (w *season) inventory() map[string]string {
	all := map[string]string{}
	_ = filepath.WalkDir(w.cache, func(p string, d os.DirEntry, err error) error { // what is not there is not listed
		rel := strings.TrimPrefix(p, w.cache+"/")
		for _, free := range []string{".cordon/locks", ".cordon/settled"} {
			if within(rel, free) {
				return filepath.SkipDir
			}
		}
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil {
			ino, _ := allocation(info)
			all[rel] = fmt.Sprintf("%s inode %d", info.Mode(), ino)
			if !d.IsDir() {
				all[rel] += fmt.Sprintf(", %d bytes", info.Size())
			}
		}
		return nil
	})
	return all
}

func union(a, b map[string]string) map[string]string {
	a = maps.Clone(a)
	maps.Copy(a, b)
	return a
}

// aged looks at what must be gone after a day.
func (w *season) aged() {
	_ = filepath.WalkDir(w.state(), func(p string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".tmp-") && !strings.HasPrefix(p, w.state("bases")) {
			w.fail(about{}, "a temporary file of a day ago is still there: %s", p)
		}
		return nil
	})
	// Those of entries that are there stay: a full disk has no room for new ones.
	if left := names(w.state("locks")); len(left) > 5+2*len(names(w.state("records"))) {
		w.fail(about{}, "lock files of a day ago are still there: %v", left)
	}
	if w.TTL > 0 {
		w.each(w.drop)
		w.bare()
	}
}

// bare looks whether there is nothing in the cache.
func (w *season) bare() {
	for _, name := range names(w.cache) {
		if name != foreign && name != ".cordon" && name != "CACHEDIR.TAG" {
			w.fail(about{target: name}, "%s is still there, and nobody has anything: %v", name, names(filepath.Join(w.cache, name)))
		}
	}
	for _, d := range []string{"records", "holds", "bases", "staging", "reservations", "tombstones", "trash", "quarantine", "settled", "manifests"} {
		if left := names(w.state(d)); len(left) > 0 {
			w.fail(about{}, ".cordon/%s still has %v, and nobody has anything", d, left)
		}
	}
	if all := w.mounts(); len(all) > 0 {
		w.fail(about{}, "still mounted, and nobody has anything: %v", all)
	}
}

// clearUp ends everything that runs have: nothing must be left.
func (w *season) clearUp() {
	c, err := w.open(0)
	if err != nil {
		w.fail(about{}, "open: %v", err)
		return
	}
	defer c.Close()
	w.each(func(cl *claim) {
		if _, err := c.Cleanup(context.Background(), cl.dir(), workspace.Caller{Run: cl.run}); err != nil {
			w.fail(cl.about(), "clean up at the end: %v", err)
		}
	})
	if err := c.Close(); err != nil {
		w.fail(about{}, "close: %v", err)
	}
	w.sweep(0, workspace.SweepOptions{Shrink: true})
	for range 2 { // a directory of holds goes after the temporary files in it
		w.sweep(25*time.Hour, workspace.SweepOptions{})
	}
	if !w.Raids {
		w.aged()
		w.bare()
	}
}

// drop ends a claim, whosever it is.
func (w *season) drop(c *claim) {
	for _, l := range w.lanes {
		l.drop(c)
	}
}
