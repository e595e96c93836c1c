package activities

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cordonlabs/cordon/analyze/inventory"
	"github.com/cordonlabs/cordon/finding"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/workspace"
)

// Result is what a built-in workflow returns and stores (CONTRACT §3).
type Result struct {
	WorkflowID string            `json:"workflow_id"`
	TargetID   string            `json:"target_id"`
	Status     string            `json:"status"` // Completed or Partial
	Steps      []Step            `json:"steps"`
	Findings   []finding.Finding `json:"findings"`
	Summary    Summary           `json:"summary"`

	// Tool is how the program of a workflow without code ran, and what it left.
	Tool *ToolRun `json:"tool,omitempty"`

	// SARIF is the SARIF 2.1.0 log. In the object that a workflow returns it has the
	// worst findings alone where all would not fit through the history; SARIFURL has all.
	SARIF      json.RawMessage `json:"sarif,omitempty"`
	ResultsURL string          `json:"results_url"` // the complete result, findings and SARIF included
	SARIFURL   string          `json:"sarif_url"`
}

// The status of a Result.
const (
	Completed = "completed" // every step did what it should
	Partial   = "partial"   // a tool failed; what the others found stands
)

// Summary is finding.Summary with what only a workflow knows.
type Summary struct {
	finding.Summary

	// FindingsTruncated is how many findings were left out of the returned
	// object because they would not fit through the history. The stored one has
	// them: see results_url.
	FindingsTruncated int `json:"findings_truncated"`

	// SARIFTruncated is the same of the SARIF log.
	SARIFTruncated int `json:"sarif_truncated"`

	// The counts under the names by which clients of FuzzForge know them: Total, what all
	// fuzzers have executed, and how many bugs they came upon.
	TotalFindings   int   `json:"total_findings"`
	TotalExecutions int64 `json:"total_executions,omitempty"`
	CrashesFound    int   `json:"crashes_found,omitempty"`

	// Workspace is what get_target handed out: mode, path, whether it was a cache
	// hit. It is missing where another worker process has made the report.
	Workspace *workspace.Workspace `json:"workspace,omitempty"`

	// Sandbox is how the workflow's processes were confined, where it has any.
	Sandbox *sandbox.Report `json:"sandbox,omitempty"`

	// Inventory is what the workspace consists of, where a tool listed it.
	Inventory *inventory.Inventory `json:"inventory,omitempty"`

	// Fuzzing is what fuzzers did, harness by harness.
	Fuzzing []fuzz.Outcome `json:"fuzzing,omitempty"`
}

// Step is one step of a workflow as its result lists it.
type Step struct {
	Name       string `json:"name"` // the activity's
	Status     string `json:"status"`
	DurationMS int64  `json:"duration_ms"`
	Findings   int    `json:"findings,omitempty"`
	Error      string `json:"error,omitempty"`
}

// The status of a Step.
const (
	StepCompleted = "completed"
	StepFailed    = "failed"
)

// maxReturned is the largest Result, in bytes of JSON, that a workflow returns:
// 512 KiB may cross the history (CONTRACT §3), and the steps that are yet to
// come and the payload's own frame need room.
const maxReturned = 448 << 10

// sarifWriter writes the SARIF log of some of a result's findings.
type sarifWriter func(some []finding.Finding) (json.RawMessage, error)

// fit returns r within limit bytes of JSON: without its tool's data, and with the first
// notes and kept files alone if need be, then with as many findings as there is room for,
// and a SARIF log of as many, the worst first. A quarter of the room is the log's: there
// are clients that read nothing else, and would take a result without one for one
// without findings.
func fit(r Result, limit int, sarif sarifWriter) (Result, error) {
	size, err := jsonSize(r)
	if err != nil || size <= limit {
		return r, err
	}
	r.SARIF = nil
	r.Summary.Notes = fitNotes(r.Summary.Notes)
	if r.Tool != nil {
		tool := *r.Tool
		tool.Data, tool.Kept = nil, tool.Kept[:min(len(tool.Kept), maxListed)]
		r.Tool = &tool
	}
	all := r.Findings
	if size, err = fitFindings(&r, limit-limit/4); err != nil {
		return r, err
	}
	// The most that fit; one more is too many.
	n, over := -1, len(all)+1
	for n+1 < over {
		half := (n + over) / 2
		log, err := sarif(all[:half:half])
		if err != nil {
			return r, err
		}
		more, err := jsonSize(log)
		if err != nil {
			return r, err
		}
		if size+more+len(`,"sarif":`) <= limit {
			n, r.SARIF = half, log
		} else {
			over = half
		}
	}
	r.Summary.SARIFTruncated = len(all) - max(n, 0)
	return r, nil
}

// fitFindings leaves of r's findings what stays within limit, and returns the size. It
// counts the numbers of what is missing as if nothing was left.
func fitFindings(r *Result, limit int) (size int, err error) {
	all := r.Findings
	r.Summary.SARIFTruncated = len(all)
	if size, err = jsonSize(r); err != nil || size <= limit {
		return size, err
	}
	r.Findings = all[:0:0]
	r.Summary.FindingsTruncated = len(all)
	if size, err = jsonSize(r); err != nil {
		return size, err
	}
	for i, f := range all {
		n, err := jsonSize(f)
		if err != nil {
			return size, err
		}
		if size+n+len(",") > limit {
			break
		}
		size += n + len(",")
		r.Findings = all[: i+1 : i+1]
		r.Summary.FindingsTruncated = len(all) - i - 1
	}
	return size, nil
}

// maxListed is how many kept files a result lists that is large.
const maxListed = 100

// maxNotes bounds the notes, in bytes of JSON, of a result that is large. Each
// repository and module of a project may have its own, with its path in it.
const maxNotes = 32 << 10

// fitNotes returns the notes that stay within maxNotes, and one that says how
// many do not.
func fitNotes(notes []string) []string {
	size := 0
	for i, note := range notes {
		n, err := jsonSize(note)
		if err != nil { // a string is never refused
			n = len(note)
		}
		if size += n + len(","); size > maxNotes {
			return append(slices.Clone(notes[:i]), fmt.Sprintf("%d more notes are in the stored result.", len(notes)-i))
		}
	}
	return notes
}

// jsonSize returns how many bytes the data converter makes of v.
func jsonSize(v any) (int, error) {
	b, err := json.Marshal(v)
	return len(b), err
}
