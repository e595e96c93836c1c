// Package secretdetection is the workflow secret_detection: credentials in a
// project's files and in its git history.
package secretdetection

import (
	"cmp"
	_ "embed"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/analyze/secrets"
	"github.com/cordonlabs/cordon/workflows/flow"
)

// Metadata is the workflow's metadata.yaml.
//
//go:embed metadata.yaml
var Metadata []byte

var signature = arguments.Signature{
	Op:    "secret_detection",
	Names: []string{"target_id", "scan_mode", "redact", "no_git"},
	Usage: "start it with target_id (string), scan_mode (detect or protect), redact (boolean), no_git (boolean)",
}

// Workflow is SecretDetectionWorkflow. Its arguments are target_id, scan_mode,
// redact and no_git (CONTRACT §3); all but the first may be missing.
func Workflow(ctx workflow.Context, targetID, scanMode, redact, noGit converter.RawValue) (activities.Result, error) {
	return Run(ctx, false, targetID, scanMode, redact, noGit)
}

// Run is the workflow's code for the arguments raws, with a default for no_git.
func Run(ctx workflow.Context, noGit bool, raws ...converter.RawValue) (activities.Result, error) {
	target, request, err := decode(noGit, raws)
	if err != nil {
		return activities.Result{}, activities.ApplicationError(signature.Op, err)
	}
	return flow.Run(ctx, target, flow.Definition{
		Tools: []flow.Tool{{
			Name: activities.ScanSecretsName,
			Request: func(path string) any {
				request.Path = path
				return request
			},
		}},
	})
}

func decode(defaultNoGit bool, raws []converter.RawValue) (target cordon.TargetID, request activities.ScanSecretsRequest, err error) {
	args, err := arguments.Decode(signature, raws...)
	if err != nil {
		return target, request, err
	}
	id, err1 := args.Text("target_id")
	mode, err2 := args.Text("scan_mode")
	redact, err3 := args.Bool("redact", true)
	noGit, err4 := args.Bool("no_git", defaultNoGit)
	if err := cmp.Or(err1, err2, err3, err4); err != nil {
		return target, request, err
	}
	scan, err := secrets.ParseMode(mode)
	if err != nil {
		return target, request, err
	}
	target, err = cordon.ParseTargetID(id)
	return target, activities.ScanSecretsRequest{ScanMode: scan, NoRedact: !redact, NoGit: noGit}, err
}
