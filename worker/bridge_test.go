package worker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/worker"
)

func TestAToolBridgeBesideStorageAloneIsSaidToHaveNoEffect(t *testing.T) {
	opts, log := setup(t)
	opts = one(opts, config.ServeStorage, "")
	opts.Config.ToolBridge = filepath.Join(t.TempDir(), "bridge.yaml")
	w, err := worker.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if got := log.lines("level=WARN", "the tool bridge has no effect", opts.Config.ToolBridge); len(got) != 1 {
		t.Errorf("the log says %q", log)
	}
}

func TestAnEntryOfTheBridgeThatHasNoEffectIsSaid(t *testing.T) {
	opts, log := setup(t)
	opts.Config.ToolBridge = filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(opts.Config.ToolBridge, []byte("activities: {get_target: {run: [a]}, scan_code: {run: [a]}, mine: {run: [a]}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, opts)
	for name, want := range map[string]bool{"get_target": true, "scan_code": true, "mine": false} {
		if got := strings.Contains(log.String(), `an activity of that name" activity=`+name+" "); got != want {
			t.Errorf("%s: said %t, want %t:\n%s", name, got, want, log)
		}
	}
}
