package activities

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
)

// ReportRequest is the argument of report_findings.
type ReportRequest struct {
	TargetID string    `json:"target_id"`
	Path     string    `json:"path"`    // the workspace, for the project's ignore file
	Started  time.Time `json:"started"` // when the workflow began
	Steps    []Step    `json:"steps"`   // those before this one
	Parts    []Part    `json:"parts"`   // what the tools returned

	// MinSeverity leaves out findings below it; "" means all are reported.
	MinSeverity finding.Severity `json:"min_severity,omitempty"`
	Notes       []string         `json:"notes,omitempty"` // the workflow's own, for the summary
}

// ReportFindings is report_findings: it joins the parts, takes away what the
// project's ignore file lists, stores the complete result as JSON and as SARIF
// under the workflow's id, and returns the result, cut where it would not fit
// through the history.
func (a *Activities) ReportFindings(ctx context.Context, argument converter.RawValue) (Result, error) {
	req, err := request[ReportRequest](ReportFindingsName, argument)
	if err != nil {
		return Result{}, err
	}
	life, end := a.runs.begin(ctx)
	defer end()
	report, stop := heartbeat(life)
	defer stop()

	report(Progress{Stage: "writing the report"})
	result, err := a.report(life, req)
	return result, failure(life, ReportFindingsName, err)
}

func (a *Activities) report(ctx context.Context, req ReportRequest) (Result, error) {
	info := activity.GetInfo(ctx)
	if err := a.checkWorkspace(ctx, use{op: ReportFindingsName, path: req.Path, info: info}); err != nil {
		return Result{}, err
	}
	now := time.Now()
	joined, run, err := a.join(ctx, req.Parts)
	if err != nil {
		return Result{}, err
	}
	ignore, notes := readIgnore(req.Path)
	kept, suppressed := ignore.Apply(joined.Findings, now)
	if n := ignore.Expired(now); n > 0 {
		notes = append(notes, fmt.Sprintf("%d of the entries in %s are past their date and no longer count.", n, finding.IgnoreFile))
	}
	kept = slices.DeleteFunc(kept, func(f finding.Finding) bool { return req.MinSeverity != "" && !f.Severity.AtLeast(req.MinSeverity) })

	result := Result{
		WorkflowID: info.WorkflowExecution.ID,
		TargetID:   req.TargetID,
		Status:     Completed,
		Steps:      append(slices.Clone(req.Steps), Step{Name: ReportFindingsName, Status: StepCompleted}),
		Findings:   append([]finding.Finding{}, kept...), // a list, never null
	}
	for _, s := range req.Steps {
		if s.Status == StepFailed {
			result.Status = Partial
			notes = append(notes, fmt.Sprintf("%s failed, and what it would have found is missing: %s", s.Name, s.Error))
		}
	}
	result.Tool = run
	result.Summary = a.summary(joined, kept, len(suppressed), now.Sub(req.Started), slices.Concat(req.Notes, notes))
	for _, part := range req.Parts {
		result.Summary.Inventory = cmp.Or(result.Summary.Inventory, part.Inventory)
		result.Summary.Fuzzing = append(result.Summary.Fuzzing, part.Fuzzing...)
		for _, o := range part.Fuzzing {
			result.Summary.TotalExecutions += o.Stats.Executions
			result.Summary.CrashesFound += len(o.Bugs)
		}
		result.Summary.Sandbox = cmp.Or(result.Summary.Sandbox, part.Sandbox)
	}
	if ws, ok := a.handed.of(req.Path, info.WorkflowExecution); ok {
		result.Summary.Workspace = &ws
	}

	log := finding.SARIFRun{Version: a.version, Findings: kept, Suppressed: suppressed, Summary: result.Summary.Summary, Start: req.Started, End: now}
	if result.SARIF, err = writeSARIF(log); err != nil {
		return Result{}, err
	}
	return a.store(ctx, result, func(some []finding.Finding) (json.RawMessage, error) {
		part := log
		part.Findings, part.Suppressed = some, nil
		part.Summary.Notes = append(fitNotes(log.Summary.Notes), fmt.Sprintf("%d of %d findings are in this log; all of them are in results.sarif.", len(some), len(kept)))
		return writeSARIF(part)
	})
}

func writeSARIF(run finding.SARIFRun) (json.RawMessage, error) {
	var log bytes.Buffer
	err := finding.WriteSARIF(&log, run)
	return log.Bytes(), err
}

// store writes both files and returns the result as the workflow returns it.
func (a *Activities) store(ctx context.Context, result Result, sarif sarifWriter) (Result, error) {
	url, err := a.PutResult(ctx, result.WorkflowID, "sarif", result.SARIF)
	if err != nil {
		return Result{}, err
	}
	result.SARIFURL = url
	// Both lie beside each other under names that are fixed (CONTRACT §1.5), so
	// that the stored object can say where it lies itself.
	result.ResultsURL = strings.TrimSuffix(url, ".sarif") + ".json"
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(result); err != nil {
		return Result{}, err
	}
	if result.ResultsURL, err = a.PutResult(ctx, result.WorkflowID, "json", body.Bytes()); err != nil {
		return Result{}, err
	}
	return fit(result, maxReturned, sarif)
}

// join puts the parts together. Analysers look at the same files, so their
// counts of files are not added: the largest says how many there are. A workflow
// runs one program at most.
func (a *Activities) join(ctx context.Context, parts []Part) (all analyze.Result, run *ToolRun, err error) {
	all.FilesSkipped = make(map[string]int)
	for _, part := range parts {
		r, err := a.load(ctx, part)
		if err != nil {
			return all, nil, err
		}
		run = cmp.Or(run, r.Run)
		all.Findings = append(all.Findings, r.Findings...)
		all.Truncated += r.Truncated
		all.Suppressed += r.Suppressed
		all.FilesScanned = max(all.FilesScanned, r.FilesScanned)
		for reason, n := range r.FilesSkipped {
			all.FilesSkipped[reason] = max(all.FilesSkipped[reason], n)
		}
		all.Tools = append(all.Tools, r.Tools...)
		all.Notes = append(all.Notes, r.Notes...)
	}
	finding.Sort(all.Findings)
	return all, run, nil
}

func (a *Activities) summary(joined analyze.Result, kept []finding.Finding, ignored int, took time.Duration, notes []string) Summary {
	s := finding.NewSummary(kept, took)
	s.FilesScanned, s.FilesSkipped = joined.FilesScanned, joined.FilesSkipped
	s.Truncated, s.Suppressed = joined.Truncated, joined.Suppressed+ignored
	s.Tools = append([]finding.Tool{}, joined.Tools...)
	for _, n := range slices.Concat(joined.Notes, notes) {
		if !slices.Contains(s.Notes, n) {
			s.Notes = append(s.Notes, n)
		}
	}
	return Summary{Summary: s, TotalFindings: s.Total}
}

// maxIgnoreFile is more than finding.ParseIgnore accepts, so that it is the one
// to say that a file is too large.
const maxIgnoreFile = 8 << 20

// readIgnore reads the project's ignore file. A project cannot break a run with
// it: what is wrong with the file becomes a note.
func readIgnore(path string) (*finding.Ignore, []string) {
	none := &finding.Ignore{}
	if filepath.Base(path) != "workspace" {
		return none, nil // a single file has no project around it
	}
	tree, err := analyze.OpenTree(path)
	if err != nil {
		return none, []string{fmt.Sprintf("%s was not read: %v", finding.IgnoreFile, err)}
	}
	defer tree.Close()
	b, err := tree.ReadFile(finding.IgnoreFile, maxIgnoreFile)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, []string{fmt.Sprintf("%s was not read: %v", finding.IgnoreFile, err)}
	}
	ignore, err := finding.ParseIgnore(bytes.NewReader(b))
	if err != nil {
		return ignore, []string{fmt.Sprintf("Part of %s does not count: %v", finding.IgnoreFile, err)}
	}
	return ignore, nil
}
