package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.temporal.io/sdk/activity"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/analyze/inventory"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/sandbox"
)

// Part is what one tool found, as it travels through the run's history.
type Part struct {
	Tool     string `json:"tool"`     // the activity's name
	Findings int    `json:"findings"` // how many there are

	// Result is what the tool found. Where it is large, it lies in the object
	// store instead and Ref says where (CONTRACT §3).
	Result *analyze.Result `json:"result,omitempty"`
	Run    *ToolRun        `json:"run,omitempty"` // of run_tool; goes with Result
	Ref    string          `json:"ref,omitempty"`

	// Sandbox is how the tool was confined, where it is not of Cordon itself.
	Sandbox *sandbox.Report `json:"sandbox,omitempty"`

	// Inventory is what the workspace consists of, from inventory_files. It has
	// one entry per language and so is always small.
	Inventory *inventory.Inventory `json:"inventory,omitempty"`

	// Fuzzing is what run_fuzzer did, harness by harness.
	Fuzzing []fuzz.Outcome `json:"fuzzing,omitempty"`
}

// maxInlinePart is the largest part, in bytes of JSON, that is kept in the
// history. A workflow hands all its parts to report_findings at once; four of
// them stay below the 512 KiB that may cross the history (CONTRACT §3).
const maxInlinePart = 96 << 10

// partID names a stored part. The run id keeps the attempts of a workflow apart,
// and its dots keep parts out of the workflow's own result.
func partID(info activity.Info, tool string) string {
	return fmt.Sprintf("%s.%s.%s", info.WorkflowExecution.ID, info.WorkflowExecution.RunID, tool)
}

// partContent is what of a part may lie in the object store.
type partContent struct {
	analyze.Result
	Run *ToolRun `json:"run,omitempty"`
}

func (a *Activities) newPart(ctx context.Context, tool string, content partContent) (Part, error) {
	part := Part{Tool: tool, Findings: len(content.Findings), Result: &content.Result, Run: content.Run}
	body, err := json.Marshal(content)
	if err != nil || len(body) <= maxInlinePart {
		return part, err
	}
	part.Result, part.Run, part.Ref = nil, nil, partID(activity.GetInfo(ctx), tool)
	_, err = a.PutResult(ctx, part.Ref, "json", body)
	return part, err
}

// load returns what a part holds. A reference must be the calling run's own: a
// workflow must not read another one's results through it.
func (a *Activities) load(ctx context.Context, part Part) (partContent, error) {
	var content partContent
	if part.Ref == "" {
		if part.Result != nil {
			content.Result = *part.Result
		}
		content.Run = part.Run
		return content, nil
	}
	if part.Ref != partID(activity.GetInfo(ctx), part.Tool) {
		return content, &cordon.Error{Kind: cordon.InvalidArgument, Op: ReportFindingsName, Name: fmt.Sprintf("%.200q", part.Ref),
			Err: errors.New("is not a part of this run"), Fix: "pass on what the tools returned, unchanged"}
	}
	body, err := a.results.GetResult(ctx, part.Ref, "json")
	if err == nil {
		err = json.Unmarshal(body, &content)
	}
	return content, err
}
