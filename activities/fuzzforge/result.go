package fuzzforge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"go.temporal.io/sdk/activity"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
)

// Result is what the activities return that look for something.
type Result struct {
	Findings []finding.Finding `json:"findings"` // the worst first
	Summary  map[string]any    `json:"summary"`
	Status   string            `json:"status"` // Success: a failure is an error

	SARIF json.RawMessage `json:"sarif,omitempty"` // of fuzz_with_cargo
}

// Success is the status of a Result.
const Success = "success"

// Bounds of what is returned, in bytes of JSON. 512 KiB may cross the history
// (CONTRACT §3): two results of scans as one call's arguments, or one and its SARIF log
// as a workflow's result.
const (
	maxFindings = 192 << 10
	maxSARIF    = 256 << 10
	maxNotes    = 16 << 10
)

// newResult makes a Result of what was found, with the counts that every summary has;
// more are the activity's own.
func newResult(found *analyze.Result, more map[string]any) Result {
	counted := finding.NewSummary(found.Findings, 0)
	summary := map[string]any{
		"total_findings": counted.Total, "by_severity": counted.BySeverity, "by_category": counted.ByCategory,
		"truncated": found.Truncated, "suppressed": found.Suppressed, "tools": append([]finding.Tool{}, found.Tools...),
	}
	if len(found.FilesSkipped) > 0 {
		summary["files_skipped"] = found.FilesSkipped
	}
	if len(found.Notes) > 0 {
		summary["notes"] = firstNotes(found.Notes)
	}
	for k, v := range more {
		summary[k] = v
	}
	return Result{Findings: append([]finding.Finding{}, found.Findings...), Summary: summary, Status: Success}
}

// firstNotes are those that stay within maxNotes.
func firstNotes(notes []string) []string {
	size := 0
	for i, n := range notes {
		if size += len(n); size > maxNotes {
			return append(append([]string{}, notes[:i]...), fmt.Sprintf("and %d more notes", len(notes)-i))
		}
	}
	return notes
}

// crossing returns how many bytes of JSON v takes in the history, whoever writes it there:
// Go's converter escapes <, > and &, and Python's, when a workflow passes v on, whatever is
// not ASCII, in six bytes each.
func crossing(v any) (int, error) {
	text, err := json.Marshal(v)
	n := len(text)
	for _, r := range string(text) {
		if r >= utf8.RuneSelf {
			n += len(`\uffff`)*utf16.RuneLen(r) - utf8.RuneLen(r)
		}
	}
	return n, err
}

// fit returns r as it may cross the history. Of more, all is stored, and the summary
// says where and how much is missing.
func (a *Activities) fit(ctx context.Context, r Result) (Result, error) {
	size := 0
	for i, f := range r.Findings {
		n, err := crossing(f)
		if err != nil {
			return r, err
		}
		if size += n + len(","); size <= maxFindings {
			continue
		}
		url, err := a.store(ctx, "json", r)
		if err != nil {
			return r, err
		}
		r.Summary["findings_truncated"], r.Summary["results_url"] = len(r.Findings)-i, url
		r.Findings = r.Findings[:i:i]
		break
	}
	return r, nil
}

// store keeps v, whole, beside the results of the calling workflow. The dots keep it
// apart from those; run and activity id keep it apart from other attempts and steps.
func (a *Activities) store(ctx context.Context, format string, v any) (url string, err error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	info := activity.GetInfo(ctx)
	id := fmt.Sprintf("%s.%s.%s.%s", info.WorkflowExecution.ID, info.WorkflowExecution.RunID, info.ActivityType.Name, info.ActivityID)
	return a.tools.PutResult(ctx, id, format, body.Bytes())
}
