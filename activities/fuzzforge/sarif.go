package fuzzforge

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/analyze/secrets"
	"github.com/cordonlabs/cordon/finding"
)

var reportSignature = arguments.Signature{
	Op: GenerateSARIFReportName, Names: []string{"scan_results", "analysis_results", "config", "workspace_path"}, FirstIsObject: true,
	Usage: "call it with what scan_files and analyze_security returned, config (object) and workspace_path (string)",
}

// GenerateSARIFReport is generate_sarif_report(scan_results, analysis_results, config,
// workspace_path): a SARIF 2.1.0 log of what the analysis found, and of what the scan
// found but for its infos.
func (a *Activities) GenerateSARIFReport(ctx context.Context, scan, analysis, config, workspacePath converter.RawValue) (json.RawMessage, error) {
	log, err := a.generateReport(ctx, scan, analysis, config, workspacePath)
	return log, activities.ApplicationError(GenerateSARIFReportName, err)
}

func (a *Activities) generateReport(ctx context.Context, raws ...converter.RawValue) (json.RawMessage, error) {
	args, err := arguments.Decode(reportSignature, raws...)
	if err != nil {
		return nil, err
	}
	workspace, err := args.Text("workspace_path")
	if err != nil {
		return nil, err
	}
	if _, err := args.Object("config"); err != nil {
		return nil, err
	}
	var all []finding.Finding
	var tools []finding.Tool
	var notes []string
	for _, name := range []string{"scan_results", "analysis_results"} {
		given, err := args.Fields(name)
		if err != nil {
			return nil, err
		}
		found, err := findingsOf(given, name+".findings", workspace)
		if err != nil {
			return nil, err
		}
		if name == "scan_results" {
			found = slices.DeleteFunc(found, func(f finding.Finding) bool { return f.Severity == finding.Info })
		}
		all = append(all, found...)
		t, n := summaryOf(given, name+".summary")
		tools, notes = append(tools, t...), append(notes, n...)
	}
	return a.sarif(ctx, all, tools, notes)
}

var gitleaksSignature = arguments.Signature{
	Op: GitleaksGenerateSARIFName, Names: []string{"findings", "metadata"},
	Usage: "call it with findings (the list that scan_with_gitleaks returned) and metadata (object with tool_name, tool_version)",
}

// GitleaksGenerateSARIF is gitleaks_generate_sarif(findings, metadata): a SARIF 2.1.0
// log of the findings. The tool that metadata names is an extension in it.
func (a *Activities) GitleaksGenerateSARIF(ctx context.Context, findings, metadata converter.RawValue) (json.RawMessage, error) {
	log, err := a.gitleaksReport(ctx, findings, metadata)
	return log, activities.ApplicationError(GitleaksGenerateSARIFName, err)
}

func (a *Activities) gitleaksReport(ctx context.Context, raws ...converter.RawValue) (json.RawMessage, error) {
	args, err := arguments.Decode(gitleaksSignature, raws...)
	if err != nil {
		return nil, err
	}
	all, err := findingsOf(args, "findings", "")
	if err != nil {
		return nil, err
	}
	metadata, err := args.Fields("metadata")
	if err != nil {
		return nil, err
	}
	name, err1 := metadata.Text("metadata.tool_name")
	version, err2 := metadata.Text("metadata.tool_version")
	if err := cmp.Or(err1, err2); err != nil {
		return nil, err
	}
	return a.sarif(ctx, all, []finding.Tool{{Name: cmp.Or(name, "gitleaks"), Version: version, Available: true}}, nil)
}

// findingsOf reads a list of findings. They may come from a tool of somebody else's:
// what one lacks it gets, paths into the workspace become relative to it, and what looks
// like a secret is taken out of its texts. Metadata stays as it is: hashes in it look so too.
func findingsOf(args arguments.Arguments, name, workspace string) ([]finding.Finding, error) {
	text, err := args.List(name)
	if err != nil || text == nil {
		return nil, err
	}
	var all []finding.Finding
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, args.Wrong(name, "has something that is no finding")
	}
	scrub, err := secrets.NewScrubber()
	if err != nil {
		return nil, err
	}
	for i := range all {
		f := &all[i]
		rule, _ := f.Metadata["rule_id"].(string)
		f.RuleID = cmp.Or(f.RuleID, rule, f.Category, "finding")
		f.Severity = cmp.Or(f.Severity, finding.Medium)
		f.Title, f.Description, f.CodeSnippet = scrub.Scrub(f.Title), scrub.Scrub(f.Description), scrub.Scrub(f.CodeSnippet)
		f.Recommendation = scrub.Scrub(f.Recommendation)
		if workspace != "" {
			f.FilePath = strings.TrimPrefix(f.FilePath, filepath.Clean(workspace)+"/")
		}
		f.LineStart, f.LineEnd = max(f.LineStart, 0), max(f.LineEnd, 0)
	}
	finding.Sort(all)
	return all, nil
}

// summaryOf reads what a summary says of tools and notes, where it says it as ours do.
func summaryOf(args arguments.Arguments, name string) (tools []finding.Tool, notes []string) {
	text, err := args.Object(name)
	if err != nil || text == nil {
		return nil, nil
	}
	var s struct {
		Tools   []finding.Tool `json:"tools"`
		Notes   []string       `json:"notes"`
		Missing int            `json:"findings_truncated"`
		URL     string         `json:"results_url"`
	}
	if json.Unmarshal(text, &s) != nil {
		return nil, nil
	}
	if s.Missing > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d more findings are in %s", s.Missing, s.URL))
	}
	return s.Tools, s.Notes
}

// sarif returns the log of findings, the worst first, as it may cross the history. Of a
// larger one, all is stored, and it says so in a note.
func (a *Activities) sarif(ctx context.Context, all []finding.Finding, tools []finding.Tool, notes []string) (json.RawMessage, error) {
	all = slices.Clone(all)
	finding.Sort(all)
	write := func(fs []finding.Finding, more ...string) (log json.RawMessage, size int, err error) {
		summary := finding.NewSummary(fs, 0)
		summary.Tools, summary.Notes = tools, append(slices.Clone(notes), more...)
		var text bytes.Buffer
		if err := finding.WriteSARIF(&text, finding.SARIFRun{Version: a.tools.Version(), Findings: fs, Summary: summary}); err != nil {
			return nil, 0, err
		}
		log = text.Bytes()
		size, err = crossing(log)
		return log, size, err
	}
	log, size, err := write(all)
	if err != nil || size <= maxSARIF {
		return log, err
	}
	url, err := a.store(ctx, "sarif", log)
	if err != nil {
		return nil, err
	}
	// The most that fit; one more is too many.
	fit, over := 0, len(all)
	for fit+1 < over {
		n := (fit + over) / 2
		shorter, size, err := write(all[:n], fmt.Sprintf("%d more findings are in %s", len(all)-n, url))
		if err != nil {
			return nil, err
		}
		if size <= maxSARIF {
			fit, log = n, shorter
		} else {
			over = n
		}
	}
	if fit == 0 {
		log, _, err = write(nil, fmt.Sprintf("%d more findings are in %s", len(all), url))
	}
	return log, err
}
