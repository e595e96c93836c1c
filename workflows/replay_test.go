package workflows_test

import (
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/sdk/worker"

	"github.com/cordonlabs/cordon/workflows"
)

// Runs that are under way go on with the next version (auto-upgrade), which has to
// schedule what this one did, in the same order. Histories of released versions stay in
// testdata for good; a change that breaks one needs workflow.GetVersion.
func TestEarlierHistoriesAreReplayed(t *testing.T) {
	files, err := filepath.Glob("testdata/histories/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("there are none", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			r := worker.NewWorkflowReplayer()
			for _, vertical := range workflows.Verticals() {
				workflows.Register(r, vertical, nil)
			}
			if err := r.ReplayWorkflowHistoryFromJSONFile(nil, file); err != nil {
				t.Error(err)
			}
		})
	}
}
