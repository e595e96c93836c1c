package finding

import (
	"encoding/json"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

const (
	sarifSchema  = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	sarifVersion = "2.1.0"

	// sarifFingerprint is the key of our fingerprint in partialFingerprints. Its
	// version is that of fingerprintVersion.
	sarifFingerprint = "cordonFingerprint/v1"
)

// SARIFRun is what goes into a SARIF file: one run of the tool "cordon" over a workspace.
type SARIFRun struct {
	Version    string // cordon's own
	Findings   []Finding
	Suppressed []Finding // put aside by the ignore file: written with their justification
	Summary    Summary   // its tools become extensions, its notes notifications
	Start, End time.Time // of the analysis; zero: left out
}

// WriteSARIF writes run as a SARIF 2.1.0 log that the published schema accepts, indented by
// two spaces. Paths become relative URI references below the base id SRCROOT. The
// output depends on run alone.
func WriteSARIF(w io.Writer, run SARIFRun) error {
	rules, index := sarifRules(run)
	r := sarifRunObject{
		Tool: sarifTool{
			Driver: sarifComponent{
				Name: "cordon", Version: run.Version,
				InformationURI: "https://github.com/cordonlabs/cordon", Rules: rules,
			},
		},
		ColumnKind:         "utf16CodeUnits",
		OriginalURIBaseIDs: map[string]sarifArtifactLocation{"SRCROOT": {Description: &sarifText{Text: "The root of the workspace that was analysed."}}},
		Results:            make([]sarifResult, 0, len(run.Findings)+len(run.Suppressed)),
		Invocations:        []sarifInvocation{sarifInvocationOf(run)},
	}
	for _, t := range run.Summary.Tools {
		if t.Available {
			r.Tool.Extensions = append(r.Tool.Extensions, sarifComponent{Name: t.Name, Version: t.Version})
		}
	}
	for _, f := range slices.Concat(run.Findings, run.Suppressed) {
		r.Results = append(r.Results, sarifResultOf(f, index[f.RuleID]))
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{Schema: sarifSchema, Version: sarifVersion, Runs: []sarifRunObject{r}})
}

// sarifRules makes one descriptor per rule, from the first finding that has it,
// sorted by id.
func sarifRules(run SARIFRun) ([]sarifRule, map[string]int) {
	first := make(map[string]Finding)
	for _, f := range slices.Concat(run.Findings, run.Suppressed) {
		if g, ok := first[f.RuleID]; !ok || f.Severity.rank() > g.Severity.rank() {
			first[f.RuleID] = f
		}
	}
	rules := make([]sarifRule, 0, len(first))
	for id, f := range first {
		rule := sarifRule{
			ID:               id,
			Name:             pascalCase(id),
			ShortDescription: sarifText{Text: orElse(f.Title, id)},
			FullDescription:  sarifText{Text: orElse(f.Description, f.Title, id)},
			Config:           sarifRuleConfig{Level: f.Severity.sarifLevel()},
			Properties: sarifRuleProperties{
				SecuritySeverity: f.Severity.score(),
				Tags:             []string{"security"},
			},
		}
		if f.Recommendation != "" {
			rule.Help = &sarifText{Text: f.Recommendation}
		}
		if f.Category != "" {
			rule.Properties.Tags = append(rule.Properties.Tags, f.Category)
		}
		if cwe, ok := f.Metadata["cwe"].(string); ok && cwe != "" {
			rule.Properties.Tags = append(rule.Properties.Tags, "external/cwe/"+strings.ToLower(cwe))
		}
		slices.Sort(rule.Properties.Tags)
		rule.Properties.Tags = slices.Compact(rule.Properties.Tags)
		rules = append(rules, rule)
	}
	slices.SortFunc(rules, func(a, b sarifRule) int { return strings.Compare(a.ID, b.ID) })
	index := make(map[string]int, len(rules))
	for i, r := range rules {
		index[r.ID] = i
	}
	return rules, index
}

func sarifResultOf(f Finding, ruleIndex int) sarifResult {
	res := sarifResult{
		RuleID: f.RuleID, RuleIndex: ruleIndex,
		Level:   f.Severity.sarifLevel(),
		Message: sarifText{Text: orElse(f.Description, f.Title, f.RuleID)},
		Properties: map[string]any{
			"severity": f.Severity, "category": f.Category,
		},
	}
	if f.Fingerprint != "" {
		res.PartialFingerprints = map[string]string{sarifFingerprint: f.Fingerprint}
	}
	if len(f.Metadata) > 0 {
		res.Properties["metadata"] = f.Metadata
	}
	if f.FilePath != "" {
		loc := sarifPhysicalLocation{ArtifactLocation: sarifArtifactLocation{URI: relativeURI(f.FilePath), URIBaseID: "SRCROOT"}}
		if f.LineStart > 0 {
			loc.Region = &sarifRegion{StartLine: f.LineStart, EndLine: max(f.LineEnd, f.LineStart)}
			if f.CodeSnippet != "" {
				loc.Region.Snippet = &sarifText{Text: f.CodeSnippet}
			}
		}
		res.Locations = []sarifLocation{{PhysicalLocation: &loc}}
	}
	res.Stacks, res.CodeFlows = sarifStacks(f.Stacks)
	if f.Suppression != nil {
		res.Suppressions = []sarifSuppression{{
			Kind: "external", Status: "accepted",
			Justification: orElse(f.Suppression.Justification, "an entry of "+IgnoreFile),
		}}
	}
	return res
}

func sarifInvocationOf(run SARIFRun) sarifInvocation {
	inv := sarifInvocation{ExecutionSuccessful: true}
	if !run.Start.IsZero() {
		inv.StartTimeUTC = run.Start.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	if !run.End.IsZero() {
		inv.EndTimeUTC = run.End.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	note := func(level, text string) {
		inv.Notifications = append(inv.Notifications, sarifNotification{Level: level, Message: sarifText{Text: text}})
	}
	for _, t := range run.Summary.Tools {
		if t.Note != "" {
			level := "note"
			if !t.Available {
				level = "warning"
			}
			note(level, t.Name+": "+t.Note)
		}
	}
	for _, n := range run.Summary.Notes {
		if n != "" {
			note("note", n)
		}
	}
	return inv
}

// sarifLevel maps a severity to SARIF's level, as code hosts read it.
func (s Severity) sarifLevel() string {
	switch s {
	case Critical, High:
		return "error"
	case Medium:
		return "warning"
	}
	return "note"
}

// score is the severity as the CVSS-like number that code hosts sort by: the
// middle of the range that they give each name.
func (s Severity) score() string {
	switch s {
	case Critical:
		return "9.5"
	case High:
		return "8.0"
	case Medium:
		return "5.5"
	case Low:
		return "2.0"
	}
	return "0.0"
}

// relativeURI makes a path of the workspace a relative URI reference. A colon in
// the first segment would read as a scheme (RFC 3986 §4.2); net/url puts "./" before it.
// Bytes that are not UTF-8 are percent-encoded one by one.
func relativeURI(p string) string {
	p = strings.TrimLeft(path.Clean("/"+p), "/")
	return (&url.URL{Path: p}).String()
}

// pascalCase makes "py-sql-concat" into "PySqlConcat": SARIF wants names of rules to
// be identifiers.
func pascalCase(id string) string {
	var b strings.Builder
	up := true
	for _, r := range id {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) || len(utf16.Encode([]rune{r})) > 1 {
			up = true
			continue
		}
		if up {
			r = unicode.ToUpper(r)
		}
		up = false
		b.WriteRune(r)
	}
	return orElse(b.String(), "Rule")
}

func orElse(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}
