// Package securityassessment is the workflow security_assessment: an inventory
// of a project's files, Cordon's own code rules, and gosec.
package securityassessment

import (
	"cmp"
	_ "embed"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/workflows/flow"
)

// Metadata is the workflow's metadata.yaml.
//
//go:embed metadata.yaml
var Metadata []byte

var signature = arguments.Signature{
	Op:    "security_assessment",
	Names: []string{"target_id", "scanner_config", "analyzer_config", "reporter_config"},
	Usage: "start it with target_id (string), scanner_config (object), analyzer_config (object), reporter_config (object)",
}

// Workflow is SecurityAssessmentWorkflow. Its arguments are target_id,
// scanner_config, analyzer_config and reporter_config (CONTRACT §3); all but the
// first may be missing. The keys that the objects may have are in metadata.yaml.
func Workflow(ctx workflow.Context, targetID, scanner, analyzer, reporter converter.RawValue) (activities.Result, error) {
	target, config, err := decode(targetID, scanner, analyzer, reporter)
	if err != nil {
		return activities.Result{}, activities.ApplicationError(signature.Op, err)
	}
	def := flow.Definition{MinSeverity: config.minSeverity, Notes: config.notes}
	for _, tool := range []struct {
		name   string
		wanted bool
	}{
		{activities.InventoryFilesName, config.inventory},
		{activities.ScanCodeName, config.code},
		{activities.ScanGoName, config.gosec},
	} {
		if tool.wanted {
			def.Tools = append(def.Tools, flow.Tool{Name: tool.name, Request: func(path string) any { return activities.ToolRequest{Path: path} }})
		}
	}
	return flow.Run(ctx, target, def)
}

func decode(raws ...converter.RawValue) (target cordon.TargetID, config config, err error) {
	args, err := arguments.Decode(signature, raws...)
	if err != nil {
		return target, config, err
	}
	id, err1 := args.Text("target_id")
	scanner, err2 := args.Object("scanner_config")
	analyzer, err3 := args.Object("analyzer_config")
	reporter, err4 := args.Object("reporter_config")
	if err := cmp.Or(err1, err2, err3, err4); err != nil {
		return target, config, err
	}
	if target, err = cordon.ParseTargetID(id); err != nil {
		return target, config, err
	}
	config, err = readConfig(args, scanner, analyzer, reporter)
	return target, config, err
}
