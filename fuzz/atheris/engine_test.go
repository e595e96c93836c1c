package atheris

import (
	"os"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/fuzztest"
)

// engine is the Engine with the Python that CORDON_TEST_ATHERIS names, or one in
// PATH; the test is skipped where neither has Atheris.
func engine(t *testing.T) Engine {
	t.Helper()
	e := Engine{Python: os.Getenv("CORDON_TEST_ATHERIS")}
	v, err := e.Version(t.Context(), fuzztest.NewRunner(t, t.TempDir()))
	if err != nil {
		t.Skip(err)
	}
	t.Log(v)
	return e
}

func TestEngine(t *testing.T) {
	fuzztest.Engine(t, engine(t), fuzztest.Project{
		Dir: "testdata/project",
		Harnesses: []fuzz.Harness{
			{Name: "broken", File: "fuzz/broken.py", Line: 12},
			{Name: "clean", File: "fuzz/clean.py", Line: 6},
			{Name: "planted", File: "fuzz/planted.py", Line: 10},
		},
		Planted: "planted", Function: "last_of_four", Crash: []byte("BUG" + strings.Repeat("a name that is too long", 20)),
		Clean:  "clean",
		Broken: "broken", Says: "record_of_nothing",
	})
}
