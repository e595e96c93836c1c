package aflpp

import (
	"testing"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/fuzztest"
)

// need skips a test where there is no AFL++.
func need(t *testing.T) {
	t.Helper()
	if v, err := (Engine{}).Version(t.Context(), fuzztest.NewRunner(t, t.TempDir())); err != nil {
		t.Skip(err)
	} else {
		t.Log(v)
	}
}

func TestEngine(t *testing.T) {
	need(t)
	fuzztest.Engine(t, Engine{}, fuzztest.Project{
		Dir: "testdata/project",
		Harnesses: []fuzz.Harness{
			{Name: "aborts", File: "fuzz/aborts.c", Line: 8},
			{Name: "broken", File: "fuzz/broken.c", Line: 3},
			{Name: "byfile", File: "fuzz/byfile.c", Line: 11},
			{Name: "byinput", File: "fuzz/byinput.c", Line: 8},
			{Name: "clean", File: "fuzz/clean.cc", Line: 5},
			{Name: "loop", File: "fuzz/loop.c", Line: 7},
			{Name: "planted", File: "fuzz/planted.c", Line: 3},
		},
		Planted: "planted", Function: "store_title", Crash: []byte("PK a title that has no end"),
		Clean:  "clean",
		Broken: "broken", Says: "packet_of_nothing",
	})
}
