package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/finding"
	"github.com/cordonlabs/cordon/workspace"
)

// present prints a run's result, writes the SARIF file, and fails where
// --fail-on says so. raw is printed as it is where the result is not of our
// form: a workflow of somebody else's may return anything.
func (a *app) present(ctx context.Context, j *job, result *activities.Result, raw json.RawMessage) error {
	if result == nil {
		if j.failOn != "" || j.sarif != "" || j.known != nil {
			a.say("%s the result is not in the form that --fail-on, --sarif and --baseline need; they have no effect", a.paintErr(yellow, "!"))
		}
		return a.printJSON(raw)
	}
	a.complete(ctx, j, result)
	if j.known != nil {
		if err := subtract(result, j.known); err != nil {
			return err
		}
	}
	if j.sarif != "" {
		if err := writeSARIF(j.sarif, result.SARIF); err != nil {
			return err
		}
	}
	a.printSteps(j, result)
	if j.json {
		if err := a.printJSON(result); err != nil {
			return err
		}
	} else {
		a.printFindings(result.Findings, j.limit)
		a.print("%s", a.summaryLine(result))
		a.printFuzzed(result.Summary)
	}
	a.printNotes(j, result)
	return failOn(result.Findings, j.floor)
}

// complete fetches what did not fit through the history.
func (a *app) complete(ctx context.Context, j *job, result *activities.Result) {
	if result.Summary.FindingsTruncated == 0 && result.Summary.SARIFTruncated == 0 && result.SARIF != nil {
		return
	}
	var whole activities.Result
	body, err := j.store.GetResult(ctx, result.WorkflowID, "json")
	if err == nil {
		err = json.Unmarshal(body, &whole)
	}
	if err != nil {
		a.say("%s the result is incomplete here, the whole one is at %s: %s", a.paintErr(yellow, "!"), plain(result.ResultsURL), plainLines(err.Error()))
		return
	}
	result.Findings, result.SARIF = whole.Findings, whole.SARIF
	result.Summary.FindingsTruncated, result.Summary.SARIFTruncated = 0, 0
}

// subtract leaves out of a result, and of its SARIF log, what is known already.
func subtract(result *activities.Result, known *finding.Baseline) error {
	fresh, n := known.Filter(result.Findings)
	counted := finding.NewSummary(fresh, 0)
	s := &result.Summary
	result.Findings = fresh
	if fresh == nil {
		result.Findings = []finding.Finding{}
	}
	s.Known, s.Total, s.BySeverity, s.ByCategory = n, counted.Total, counted.BySeverity, counted.ByCategory
	s.TotalFindings = counted.Total
	if result.SARIF == nil {
		return nil
	}
	var err error
	result.SARIF, err = subtractSARIF(result.SARIF, known)
	return err
}

// failOn fails with ExitFindings where a finding is of floor or worse.
func failOn(fs []finding.Finding, floor finding.Severity) error {
	if floor == "" {
		return nil
	}
	n := 0
	for _, f := range fs {
		if f.Severity.AtLeast(floor) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return &codeError{fmt.Errorf("%s of severity %s or worse (--fail-on)", count(n, "finding", "findings"), floor), ExitFindings}
}

// printSteps shows how each step went and whether anything was downloaded.
func (a *app) printSteps(j *job, result *activities.Result) {
	for _, s := range result.Steps {
		mark := a.paintErr(green, "✓")
		if s.Status != activities.StepCompleted {
			mark = a.paintErr(red, "✗")
		}
		line := fmt.Sprintf("  %s %-18s %8s", mark, plain(s.Name), short(time.Duration(s.DurationMS)*time.Millisecond))
		switch {
		case s.Error != "":
			line += "  " + plainLines(s.Error)
		case s.Name == activities.AcquireWorkspaceName:
			line += "  " + cacheWords(result, j)
		case s.Findings > 0:
			line += "  " + count(s.Findings, "finding", "findings")
		}
		a.say("%s", strings.TrimRight(line, " "))
	}
}

// cacheWords says what the workspace cost, where the worker told.
func cacheWords(result *activities.Result, j *job) string {
	ws := result.Summary.Workspace
	switch {
	case ws == nil:
		return ""
	case ws.Hit:
		return fmt.Sprintf("%s; cache hit: nothing downloaded", modeWords(ws))
	}
	return fmt.Sprintf("%s; downloaded %s", modeWords(ws), bytesOf(j.size))
}

// modeWords says the mode, and how a view was made.
func modeWords(ws *workspace.Workspace) string {
	if ws.Driver == "" {
		return string(ws.Mode)
	}
	return fmt.Sprintf("%s by %s", ws.Mode, plain(ws.Driver))
}

// severityColours are the colours of a table's first column.
var severityColours = map[finding.Severity]string{
	finding.Critical: alarm, finding.High: red, finding.Medium: yellow, finding.Low: blue, finding.Info: dim,
}

func (a *app) printFindings(fs []finding.Finding, limit int) {
	if len(fs) == 0 {
		return
	}
	fs = slices.Clone(fs)
	finding.Sort(fs)
	t := newTable("SEVERITY", "WHERE", "RULE", "WHAT")
	t.cut = true
	room := widthOf(a.out) / 2 // for places: the rest says what is there
	for i, f := range fs {
		if limit > 0 && i == limit {
			break
		}
		t.add(a.paintOut(severityColours[f.Severity], string(f.Severity)), tail(where(f), room), plain(f.RuleID), plain(f.Title))
	}
	a.printTable(t)
	if left := len(fs) - len(t.rows); left > 0 {
		a.print("… and %s more; --limit 0 shows all", thousands(left))
	}
	a.print("")
}

// where renders a finding's place as file:line.
func where(f finding.Finding) string {
	switch {
	case f.FilePath == "":
		return "–"
	case f.LineStart == 0:
		return plain(f.FilePath)
	}
	place := fmt.Sprintf("%s:%d", plain(f.FilePath), f.LineStart)
	if commit, ok := f.Metadata["commit"].(string); ok && commit != "" {
		place += fmt.Sprintf("@%.8s", plain(commit))
	}
	return place
}

// tail keeps the end of a place, where the file's name and line are, within width
// columns; 0 means no limit.
func tail(place string, width int) string {
	runes := []rune(place)
	if width <= 0 || len(runes) <= width {
		return place
	}
	return "…" + string(runes[len(runes)-width+1:])
}

// summaryLine counts the findings by severity, worst first.
func (a *app) summaryLine(result *activities.Result) string {
	s := result.Summary
	line := a.paintOut(bold, count(s.Total, "finding", "findings"))
	if s.Total == 0 {
		line = a.paintOut(green, "no findings")
	}
	var parts []string
	for _, severity := range finding.Severities {
		if n := s.BySeverity[severity]; n > 0 {
			parts = append(parts, a.paintOut(severityColours[severity], fmt.Sprintf("%s %s", thousands(n), severity)))
		}
	}
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	if s.FilesScanned > 0 || len(s.Fuzzing) == 0 && result.Tool == nil { // few tools say how many
		line += "; " + count(s.FilesScanned, "file", "files") + " scanned"
	}
	if s.Known > 0 {
		line += fmt.Sprintf("; %s known from the baseline", thousands(s.Known))
	}
	if s.Suppressed > 0 {
		line += fmt.Sprintf("; %s suppressed by the project", thousands(s.Suppressed))
	}
	if s.Truncated > 0 {
		line += fmt.Sprintf("; %s more of the same left out", thousands(s.Truncated))
	}
	return line
}

// singleFile is what a target that is no archive is called in the cache (CONTRACT §1.2).
const singleFile = "target"

// printNotes says what was not analysed and why, and where the results lie.
func (a *app) printNotes(j *job, result *activities.Result) {
	said := map[string]bool{}
	note := func(text string) {
		if text != "" && !said[text] {
			said[text] = true
			a.say("%s %s", a.paintErr(yellow, "!"), plainLines(text))
		}
	}
	if ws := result.Summary.Workspace; ws != nil && filepath.Base(ws.Path) == singleFile {
		note("The target is a single file, which is stored without its name: rules that go by the ending of a name do not apply to it. Give the folder that it is in.")
	}
	for _, n := range result.Summary.Notes {
		note(n)
	}
	note(confinement(result.Summary.Sandbox))
	for _, t := range result.Summary.Tools {
		if t.Note != "" {
			note(t.Name + ": " + t.Note)
		} else if !t.Available {
			note(t.Name + " was not available")
		}
	}
	a.hintCrashes(result.Summary)
	if t := result.Tool; t != nil {
		for _, k := range t.Kept {
			a.say("%s %s (%s)", a.paintErr(dim, "kept    "), plain(k.Key), bytesOf(k.Bytes))
		}
	}
	a.say("%s %s", a.paintErr(dim, "results "), plain(cmp.Or(result.ResultsURL, "–")))
	if j.sarif != "" {
		a.say("%s %s", a.paintErr(dim, "sarif   "), plain(j.sarif))
	}
}
