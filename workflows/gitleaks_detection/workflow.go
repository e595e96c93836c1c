// Package gitleaksdetection is the workflow gitleaks_detection: secret_detection under
// the name, and with the defaults, that clients of FuzzForge know.
package gitleaksdetection

import (
	_ "embed"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/activities"
	secretdetection "github.com/cordonlabs/cordon/workflows/secret_detection"
)

// Metadata is the workflow's metadata.yaml.
//
//go:embed metadata.yaml
var Metadata []byte

// Workflow is GitleaksDetectionWorkflow. Its arguments are target_id, scan_mode,
// redact and no_git (true); all but the first may be missing.
func Workflow(ctx workflow.Context, targetID, scanMode, redact, noGit converter.RawValue) (activities.Result, error) {
	return secretdetection.Run(ctx, true, targetID, scanMode, redact, noGit)
}
