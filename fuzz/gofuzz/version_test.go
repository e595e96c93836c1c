package gofuzz_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/gofuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/fuzztest"
)

// homes remembers the home directories of what it runs.
type homes struct {
	fuzz.Runner
	seen []string
}

func (h *homes) Run(ctx context.Context, c fuzz.Command) (fuzz.Exit, error) {
	for _, e := range c.Env {
		if home, is := strings.CutPrefix(e, "HOME="); is {
			h.seen = append(h.seen, home)
		}
	}
	return h.Runner.Run(ctx, c)
}

// Go counts each of its commands in files below the home directory, and makes that where
// root runs it without a sandbox.
func TestAskingForTheVersionLeavesNothingBehind(t *testing.T) {
	run := &homes{Runner: fuzztest.NewRunner(t, t.TempDir())}
	if _, err := (gofuzz.Engine{}).Version(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if len(run.seen) == 0 {
		t.Fatal("the command has no home directory of its own")
	}
	for _, home := range slices.Compact(run.seen) {
		if _, err := os.Lstat(filepath.Join(home, ".config")); err == nil {
			t.Errorf("%s has Go's counters now", home)
		}
	}
}
