package libfuzzer

import (
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/fuzztest"
)

// needClang skips the test where there is no clang with libFuzzer.
func needClang(t *testing.T) {
	t.Helper()
	if v, err := (Engine{}).Version(t.Context(), fuzztest.NewRunner(t, t.TempDir())); err != nil {
		t.Skip(err)
	} else {
		t.Log(v)
	}
}

func TestEngine(t *testing.T) {
	needClang(t)
	fuzztest.Engine(t, Engine{}, fuzztest.Project{
		Dir: "testdata/project",
		Harnesses: []fuzz.Harness{
			{Name: "broken", File: "fuzz/broken.c", Line: 3},
			{Name: "clean", File: "fuzz/clean.cc", Line: 6},
			{Name: "planted", File: "fuzz/planted.c", Line: 3},
		},
		Planted: "planted", Function: "copy_name", Crash: []byte("BUG" + strings.Repeat("a name that is too long", 20)),
		Clean:  "clean",
		Broken: "broken", Says: "record_of_nothing",
	})
}
