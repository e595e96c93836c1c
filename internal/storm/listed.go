package storm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/workspace"
)

// listed compares what the cache says that it has with what is on the disk, and
// with what the lanes know that runs have.
func (w *season) listed() {
	c, err := w.open(0)
	if err != nil {
		w.fail(about{}, "open: %v", err)
		return
	}
	defer c.Close()
	entries, err := c.Entries()
	if err != nil {
		w.fail(about{}, "list: %v", err)
		return
	}
	usage, err := c.Usage()
	if err != nil {
		w.fail(about{}, "usage: %v", err)
		return
	}
	w.accounts(entries, usage)
	w.holders(entries)
	w.complete(entries)
	w.places(entries)
	w.mounted(entries)
	w.bookkeeping(entries)
}

// accounts compares the cache's account with its records and with the disk.
func (w *season) accounts(entries []workspace.Entry, usage workspace.Usage) {
	var sum int64
	for _, e := range entries {
		sum += e.Bytes
	}
	if usage.Recorded != sum || usage.Reserved != 0 || usage.Trash != 0 || usage.Tampered != 0 {
		w.fail(about{}, "with no process left, %d bytes in entries: %+v", sum, usage)
	}
	disk, err := w.onDiskBytes()
	if err != nil {
		w.fail(about{}, "measure: %v", err)
	}
	disk -= int64(len(entries)) * block // of the directory that an entry is
	if !w.Shares && disk > usage.Recorded+w.growth.Load()+w.slack() {
		w.fail(about{}, "the cache takes %d bytes, of which %d are recorded and at most %d were written by runs\n%s", disk, usage.Recorded, w.growth.Load(), w.deviations(entries))
	}
	if usage.Recorded > w.MaxSize+w.growth.Load() {
		w.fail(about{}, "%d bytes are recorded, and may be %d", usage.Recorded, w.MaxSize)
	}
	if w.Shares {
		return
	}
	w.sum.unexplained.Store(max(w.sum.unexplained.Load(), disk-usage.Recorded-w.growth.Load()))
	w.sum.overstated.Store(max(w.sum.overstated.Load(), (usage.Recorded-disk)*100/max(1, disk)))
}

// deviations says of each entry what it takes and what the cache thinks.
func (w *season) deviations(entries []workspace.Entry) string {
	var b strings.Builder
	skip := w.skips()
	for _, e := range entries {
		places := []string{filepath.Dir(e.Path)}
		if e.Kind == workspace.KindShared {
			places = []string{e.Path, filepath.Dir(e.Path) + "/target"}
		}
		var disk, growth int64
		for _, p := range places {
			n, _ := allocated(p, map[uint64]bool{}, skip) // it is looked at because something is wrong already
			disk += n
		}
		w.each(func(c *claim) {
			if c.path == e.Path && !c.shared {
				growth = c.growth
			}
		})
		if d := disk - e.Bytes - growth; d > 0 {
			fmt.Fprintf(&b, "  %s, %s by %q: recorded %d (object %d), at most %d were written, on disk %d: %d too many\n", e.Path, e.Kind, e.Driver, e.Bytes, e.Object, growth, disk, d)
		}
	}
	return b.String()
}

// holders compares who holds what with what the lanes know.
func (w *season) holders(entries []workspace.Entry) {
	held := map[string]map[string]bool{} // by path of the entry's content
	for _, e := range entries {
		if e.Tampered != "" || e.Kind == workspace.KindQuarantine {
			w.fail(about{target: e.Target.String(), path: e.Path}, "nobody tampered with %s: %s", e.Path, e.Tampered)
		}
		held[e.Path] = map[string]bool{}
		for _, h := range e.Holders {
			held[e.Path][h.Run] = true
			what := about{e.Target.String(), h.Run, e.Path}
			switch known := w.has(h.Run, e.Target.String(), e.Kind == workspace.KindShared); {
			case h.Live:
				w.fail(what, "the hold of %s on %s is live, and no process is left", h.Run, e.Path)
			case e.Kind != workspace.KindBase && !known:
				w.fail(what, "%s still holds %s, which was cleaned up", h.Run, e.Path)
			}
		}
		if e.Kind == workspace.KindRun && w.has(e.Run, e.Target.String(), false) == false {
			w.fail(about{e.Target.String(), e.Run, e.Path}, "%s is still there, which was cleaned up", e.Path)
		}
	}
	w.each(func(c *claim) {
		if c.certain() && !held[c.path][c.run] {
			w.fail(c.about(), "%s has %s, and the cache does not list that it holds it", c.run, c.path)
		}
	})
}

func (w *season) has(run, target string, shared bool) (yes bool) {
	w.each(func(c *claim) { yes = yes || c.run == run && c.st.name == target && c.shared == shared })
	return yes
}

// complete compares what is shared with the version that it is said to be.
func (w *season) complete(entries []workspace.Entry) {
	for _, e := range entries {
		if e.Kind == workspace.KindRun {
			continue
		}
		for _, st := range w.shelf.all {
			if st.id != e.Target {
				continue
			}
			what := about{st.name, "", e.Path}
			v := st.was[e.ETag]
			if v == nil {
				w.fail(what, "%s has the ETag %q, which no object ever had", e.Path, e.ETag)
				continue
			}
			w.sum.checks.Add(1)
			n, why := compare(e.Path, v.tree, nil)
			if w.sum.bytes.Add(n); why != "" {
				w.fail(what, "%s is not what its record says (%s): %s", e.Path, e.ETag, why)
			}
		}
	}
}

// places looks for directories that no record tells of.
func (w *season) places(entries []workspace.Entry) {
	known := map[string]bool{}
	for _, e := range entries {
		known[e.Path] = true
		switch dir := filepath.Dir(e.Path); e.Kind {
		case workspace.KindShared:
			known[dir+"/target"] = true // the object beside the tree
		default:
			known[dir] = true
		}
	}
	for _, t := range names(w.cache) {
		if strings.HasPrefix(t, ".") || t == foreign || t == "CACHEDIR.TAG" {
			continue
		}
		all := names(filepath.Join(w.cache, t))
		if len(all) == 0 {
			w.fail(about{target: t}, "the directory of %s is empty, and still there", t)
		}
		for _, n := range all {
			if p := filepath.Join(w.cache, t, n); !known[p] {
				w.fail(about{target: t, run: n}, "%s is there, and no record tells of it", p)
			}
		}
	}
	for _, n := range names(w.state("bases")) {
		if !known[w.state("bases", n)] {
			w.fail(about{}, ".cordon/bases/%s is there, and no record tells of it", n)
		}
	}
}

func (w *season) mounts() []mounts.Mount {
	all, err := mounts.Below(w.cache)
	if err != nil {
		w.fail(about{}, "list mounts: %v", err)
	}
	return all
}

// mounted compares what is mounted with what is held.
func (w *season) mounted(entries []workspace.Entry) {
	is := map[string]int{}
	for _, m := range w.mounts() {
		is[m.Point]++
		i := slices.IndexFunc(entries, func(e workspace.Entry) bool { return e.Path == m.Point })
		switch {
		case i < 0:
			w.fail(about{path: m.Point}, "%s is mounted, and is no entry", m.Point)
		case len(entries[i].Holders) == 0 && w.TTL == 0: // a hold may have ended since the sweep
			w.fail(about{target: entries[i].Target.String(), path: m.Point}, "%s is mounted, and nobody holds it", m.Point)
		case is[m.Point] > 1:
			w.fail(about{target: entries[i].Target.String(), path: m.Point}, "%s is mounted %d times", m.Point, is[m.Point])
		}
	}
	for _, e := range entries {
		if e.Kind == workspace.KindRun && e.Driver == "overlay" && is[e.Path] == 0 {
			w.fail(about{e.Target.String(), e.Run, e.Path}, "%s is not mounted, and held", e.Path)
		}
	}
	w.sum.mounts.Store(max(w.sum.mounts.Load(), int64(len(is))))
}

// bookkeeping looks for files of the cache's own that belong to nothing.
func (w *season) bookkeeping(entries []workspace.Entry) {
	keys, stagings := map[string]bool{}, map[string]bool{}
	for _, n := range names(w.state("records")) {
		b, err := os.ReadFile(w.state("records", n))
		var r struct{ Key, Staging string }
		if strings.HasPrefix(n, ".tmp-") {
			continue
		}
		if err != nil || json.Unmarshal(b, &r) != nil {
			w.fail(about{}, "record %s: %v: %q", n, err, b)
		}
		keys[r.Key], stagings[r.Staging] = true, true
		if !slices.ContainsFunc(entries, func(e workspace.Entry) bool { return e.Key == r.Key }) {
			w.fail(about{}, "record %s is of no entry: %s", n, b)
		}
	}
	for _, k := range names(w.state("holds")) {
		half := !slices.ContainsFunc(names(w.state("holds", k)), func(n string) bool { return !strings.HasPrefix(n, ".tmp-") })
		if !keys[k] && !half { // what a process died over while it made it goes when it is old
			w.fail(about{}, "there are holds on %s, which is no entry: %v", k, names(w.state("holds", k)))
		}
		for _, n := range names(w.state("holds", k)) {
			b, err := os.ReadFile(w.state("holds", k, n))
			var h struct{ Entry, View string }
			if strings.HasPrefix(n, ".tmp-") {
				continue
			}
			if err != nil || json.Unmarshal(b, &h) != nil {
				w.fail(about{}, "hold %s/%s: %v: %q", k, n, err, b)
			}
			if h.Entry != "" && !stagings[h.View] {
				w.fail(about{}, "a base is held for a view that is gone: %s on %s", b, k)
			}
		}
	}
	for _, d := range []string{"settled", "manifests"} {
		for _, n := range names(w.state(d)) {
			if !stagings[n] && !strings.HasPrefix(n, ".tmp-") {
				w.fail(about{}, ".cordon/%s/%s is of no entry", d, n)
			}
		}
	}
}

// countEvents counts what the cache says that it removed since the last look.
func (w *season) countEvents() {
	b, err := os.ReadFile(w.state("events.jsonl"))
	if err != nil {
		return
	}
	if int64(len(b)) < w.eventsSeen {
		w.eventsSeen = 0 // it was begun anew
	}
	for line := range bytes.Lines(b[w.eventsSeen:]) {
		var e struct{ Action, Path, Reason string }
		if json.Unmarshal(line, &e) != nil {
			w.fail(about{}, "events.jsonl has the line %q", line)
			continue
		}
		switch {
		case e.Action == "tampered" && !w.Raids: // by hand, a part may be gone that told of the rest
			w.fail(about{path: e.Path}, "nobody tampered with anything: %s", line)
		case strings.HasPrefix(e.Reason, "room for "):
			w.sum.evictions.Add(1)
		}
		w.sum.removals.Add(1)
	}
	w.eventsSeen = int64(len(b))
}
