// Package cargofuzzing is the workflow cargo_fuzzing.
package cargofuzzing

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

var code = fuzzing.Workflow{Name: "cargo_fuzzing", Engine: "cargo-fuzz", Harness: "target_name", MaxIterations: 1000000, Sanitizer: "address"}

// Workflow is CargoFuzzingWorkflow. Its arguments are target_id, target_name, max_iterations, timeout_seconds and
// sanitizer (CONTRACT §3); all but the first may be missing.
func Workflow(ctx workflow.Context, targetID, harness, maxIterations, timeoutSeconds, sanitizer converter.RawValue) (activities.Result, error) {
	return code.Run(ctx, targetID, harness, maxIterations, timeoutSeconds, sanitizer)
}
