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
)

// Part is what one tool found, as it travels through the run's history.
type Part struct {
	Tool     string `json:"tool"`     // the activity's name
	Findings int    `json:"findings"` // how many there are

	// Result is what the tool found. Where it is large, it lies in the object
	// store instead and Ref says where (CONTRACT §3).
	Result *analyze.Result `json:"result,omitempty"`
	Ref    string          `json:"ref,omitempty"`

	// Inventory is what the workspace consists of, from inventory_files. It has
	// one entry per language and so is always small.
	Inventory *inventory.Inventory `json:"inventory,omitempty"`
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

func (a *Activities) newPart(ctx context.Context, tool string, result *analyze.Result) (Part, error) {
	part := Part{Tool: tool, Findings: len(result.Findings), Result: result}
	body, err := json.Marshal(result)
	if err != nil || len(body) <= maxInlinePart {
		return part, err
	}
	part.Result, part.Ref = nil, partID(activity.GetInfo(ctx), tool)
	_, err = a.results.PutResult(ctx, part.Ref, "json", body)
	return part, err
}

// load returns what a part holds. A reference must be the calling run's own: a
// workflow must not read another one's results through it.
func (a *Activities) load(ctx context.Context, part Part) (analyze.Result, error) {
	if part.Ref == "" {
		if part.Result == nil {
			return analyze.Result{}, nil
		}
		return *part.Result, nil
	}
	var result analyze.Result
	if part.Ref != partID(activity.GetInfo(ctx), part.Tool) {
		return result, &cordon.Error{Kind: cordon.InvalidArgument, Op: ReportFindingsName, Name: fmt.Sprintf("%.200q", part.Ref),
			Err: errors.New("is not a part of this run"), Fix: "pass on what the tools returned, unchanged"}
	}
	body, err := a.results.GetResult(ctx, part.Ref, "json")
	if err == nil {
		err = json.Unmarshal(body, &result)
	}
	return result, err
}
