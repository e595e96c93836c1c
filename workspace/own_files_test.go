package workspace_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
)

// A sweep clears the cache's own directories of what nobody needs any more, and of
// nothing else.
func TestASweepClearsTheCachesOwnFiles(t *testing.T) {
	b := newBench(t)
	b.put("t", project.tarball(t))
	b.get("t", "one", cordon.Shared)
	b.get("t", "two", cordon.CopyOnWrite)
	dirs := []string{"locks", "records", "reservations", "tombstones", "settled", "manifests", "pins", "plans", "salvage"}
	have := map[string][]string{}
	for _, d := range dirs {
		names, err := filepath.Glob(b.path(".cordon/" + d + "/*"))
		must(t, err)
		// The run that shares has no entry of its own.
		have[d] = slices.DeleteFunc(names, func(n string) bool { return filepath.Base(n) == keyOf("run", "t", "one") })
	}
	if len(have["locks"]) < 5 || len(have["manifests"]) == 0 {
		t.Fatalf("there are %v", have)
	}
	now := time.Now()
	old, fresh := now.Add(-25*time.Hour), now.Add(-10*time.Minute)
	add := func(at time.Time, names ...string) {
		t.Helper()
		for _, n := range names {
			must(t, os.WriteFile(b.path(".cordon/"+n), nil, 0o644))
			must(t, os.Chtimes(b.path(".cordon/"+n), at, at))
		}
	}
	for range 2 { // what a sweep has seen is nothing to the next one
		for _, names := range have {
			for _, n := range names {
				if filepath.Base(filepath.Dir(n)) == "locks" {
					must(t, os.Chtimes(n, old, old))
				}
			}
		}
		add(old, ".tmp-old", "locks/run-old", "settled/unknown", "manifests/unknown")
		add(fresh, ".tmp-fresh", "locks/run-fresh")
		for _, d := range dirs {
			add(old, d+"/.tmp-old")
			add(fresh, d+"/.tmp-fresh")
		}
		b.sweep()
		mustExist(t, b.path(".cordon/.tmp-fresh"))
		mustExist(t, b.path(".cordon/locks/run-fresh"))
		for _, d := range dirs {
			mustBeGone(t, b.path(".cordon/"+d+"/.tmp-old"))
			mustExist(t, b.path(".cordon/"+d+"/.tmp-fresh"))
		}
		for _, n := range []string{".tmp-old", "locks/run-old", "settled/unknown", "manifests/unknown"} {
			mustBeGone(t, b.path(".cordon/"+n))
		}
		for _, names := range have {
			for _, n := range names {
				mustExist(t, n)
			}
		}
	}
}
