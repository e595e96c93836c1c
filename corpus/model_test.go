package corpus_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/target/dir"
)

// Three runs do anything in any order, and each merges all that it has. Whatever was
// pushed is then there for the next run, always.
func TestNoOrderOfCallsLosesAnInput(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("20"); err != nil { // each is some hundred calls that sync a disk
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		root, err := os.MkdirTemp("", "cordon-corpus-")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(root)
		b, err := dir.Open(root)
		if err != nil {
			rt.Fatal(err)
		}
		now := time.Now()
		o := corpus.Options{Log: quiet.Log, Now: func() time.Time { return now }}
		runs := make([]*run, 3)
		for i := range runs {
			d := filepath.Join(root, fmt.Sprint("ws", i))
			if err := os.Mkdir(d, 0o755); err != nil {
				rt.Fatal(err)
			}
			r, err := os.OpenRoot(d)
			if err != nil {
				rt.Fatal(err)
			}
			defer r.Close()
			runs[i] = &run{corpus.Open(b, name, o), d, r}
		}
		found, pushed := 0, map[string]bool{}
		which := rapid.IntRange(0, 2)
		rt.Repeat(map[string]func(*rapid.T){
			"find": func(rt *rapid.T) {
				found++
				runs[which.Draw(rt, "run")].find(t, fmt.Sprint("input", found))
			},
			"push": func(rt *rapid.T) {
				r := runs[which.Draw(rt, "run")]
				r.push(t)
				for in := range contents(t, r.dir) {
					pushed[in] = true
				}
			},
			"pull": func(rt *rapid.T) { runs[which.Draw(rt, "run")].pull(t) },
			"restart": func(rt *rapid.T) { // the worker died, its workspace did not
				r := runs[which.Draw(rt, "run")]
				r.Corpus = corpus.Open(b, name, o)
			},
			"merge": func(rt *rapid.T) {
				r := runs[which.Draw(rt, "run")]
				r.pull(t)
				if len(contents(t, r.dir)) > 0 {
					r.merge(t)
					for in := range contents(t, r.dir) {
						pushed[in] = true
					}
				}
			},
			"prune": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(rt, "hours")) * time.Hour)
				keep := corpus.Retention{Keep: rapid.IntRange(1, 3).Draw(rt, "keep"), Grace: time.Hour}
				if _, err := runs[which.Draw(rt, "run")].Prune(t.Context(), keep); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				got := stored(t, b)
				for in := range pushed {
					if !got[in] {
						rt.Fatalf("%q is lost; there are %d of %d", in, len(got), len(pushed))
					}
				}
			},
		})
	})
}
