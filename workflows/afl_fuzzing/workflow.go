// Package aflfuzzing is the workflow afl_fuzzing.
package aflfuzzing

import (
	_ "embed"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/workflows/fuzzing"
)

// Metadata is the workflow's metadata.yaml.
//
//go:embed metadata.yaml
var Metadata []byte

var code = fuzzing.Workflow{Name: "afl_fuzzing", Engine: "afl++", Harness: "target_name"}

// Workflow is AflFuzzingWorkflow. Its arguments are target_id, target_name, max_iterations and
// timeout_seconds (CONTRACT §3); all but the first may be missing.
func Workflow(ctx workflow.Context, targetID, harness, maxIterations, timeoutSeconds converter.RawValue) (activities.Result, error) {
	return code.Run(ctx, targetID, harness, maxIterations, timeoutSeconds)
}
