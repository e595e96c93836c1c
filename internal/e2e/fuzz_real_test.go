package e2e

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/fuzzsample"
)

var fuzzReal = flag.Bool("fuzz-real", false, "fuzz an old version of a library with a known bug, which is fetched for that")

// jsonparser 1.0.0 panics on keys like "[" (CVE-2020-35381).
var jsonparser = map[string]string{
	"go.mod": "module example.com/real\n\ngo 1.20\n\nrequire github.com/buger/jsonparser v1.0.0\n",
	"get/get_test.go": `package get

import (
	"testing"

	"github.com/buger/jsonparser"
)

func FuzzGet(f *testing.F) {
	f.Add([]byte("[1, 2]"), "[0]")
	f.Fuzz(func(t *testing.T, data []byte, key string) {
		if key != "" {
			jsonparser.Get(data, key)
		}
	})
}
`,
}

// knownFunction is where the known bug is.
const knownFunction = "jsonparser.searchKeys"

func TestAKnownBugOfARealLibraryIsFound(t *testing.T) {
	if !*fuzzReal {
		t.Skip("it fetches a library and fuzzes for minutes; -fuzz-real lets it")
	}
	for name, store := range map[string]func(*testing.T) user{
		"directory store": func(t *testing.T) user { return newUser(t) },
		"S3 store":        func(t *testing.T) user { return newUser(t).onMinIO(t) },
	} {
		t.Run(name, func(t *testing.T) {
			u := store(t)
			project := filepath.Join(u.home, "project")
			for file, text := range jsonparser {
				writeFile(t, filepath.Join(project, file), text)
			}
			for _, args := range [][]string{{"mod", "tidy"}, {"mod", "vendor"}} {
				cmd := exec.Command("go", args...)
				cmd.Dir, cmd.Env = project, append(os.Environ(), "GOFLAGS=-mod=mod")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Skipf("the library cannot be fetched: %v\n%s", err, out)
				}
			}
			began := time.Now()
			got := u.must(t, 0, "run", "go_fuzzing", project, "--data", u.data(), "--json", "-p", "timeout_seconds=60")
			var r fuzzed
			decode(t, got.out, &r)
			t.Logf("after %v:\n%s", time.Since(began).Round(time.Second), got.err)
			found := ""
			for _, f := range r.Findings {
				for _, stack := range f.Stacks {
					for _, frame := range stack.Frames {
						if strings.HasSuffix(frame.Function, knownFunction) {
							t.Logf("%s at %s:%d, crash %s", frame.Function, frame.File, frame.Line, f.Metadata.Crash)
							found = f.Metadata.Crash
						}
					}
				}
			}
			if found == "" {
				t.Fatalf("%s is in no stack of %d findings", knownFunction, len(r.Findings))
			}
			u.nothingLeft(t)
			u.mustReproduce(t, found)
			if left := fuzzsample.Processes(t, u.home); len(left) > 0 {
				t.Errorf("left running: %v", left)
			}
		})
	}
}
