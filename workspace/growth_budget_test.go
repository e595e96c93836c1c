package workspace

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
)

// A sweep that has no time to measure everything begins with what was measured
// the longest ago, and measures one in any case.
func TestMeasuringTakesTurns(t *testing.T) {
	top := t.TempDir()
	store, err := dir.Open(filepath.Join(top, "store"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := cordon.ParseTargetID("t")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), id, strings.NewReader("content"), target.PutOptions{Size: -1}); err != nil {
		t.Fatal(err)
	}
	var ahead time.Duration
	c, err := Open(Options{Dir: filepath.Join(top, "cache"), Store: store, Now: func() time.Time { return time.Now().Add(ahead) }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.measureBudget = 0
	runs := []string{"b", "c", "a"}
	for _, name := range runs {
		run, err := cordon.ParseRunID(name)
		if err != nil {
			t.Fatal(err)
		}
		ws, err := c.Get(t.Context(), Request{Target: id, Run: run, Mode: cordon.Isolated})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(ws.Path), "grown"), make([]byte, 1<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		ahead += time.Minute
	}
	ahead += growthAge
	for round := range runs {
		if _, err := c.Sweep(t.Context(), SweepOptions{}); err != nil {
			t.Fatal(err)
		}
		all, err := c.Entries()
		if err != nil {
			t.Fatal(err)
		}
		var grown []string
		for _, e := range all {
			if e.Bytes >= 1<<20 {
				grown = append(grown, e.Run)
			}
		}
		want := slices.Sorted(slices.Values(runs[:round+1]))
		if !slices.Equal(grown, want) {
			t.Errorf("after sweep %d: measured %v, want %v", round+1, grown, want)
		}
	}
}
