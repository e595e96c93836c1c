// Package atherisfuzzing is the workflow atheris_fuzzing.
package atherisfuzzing

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

var code = fuzzing.Workflow{Name: "atheris_fuzzing", Engine: "atheris", Harness: "target_file", MaxIterations: 1000000}

// Workflow is AtherisFuzzingWorkflow. Its arguments are target_id, target_file, max_iterations and
// timeout_seconds (CONTRACT §3); all but the first may be missing.
func Workflow(ctx workflow.Context, targetID, harness, maxIterations, timeoutSeconds converter.RawValue) (activities.Result, error) {
	return code.Run(ctx, targetID, harness, maxIterations, timeoutSeconds)
}
