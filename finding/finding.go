package finding

import (
	"cmp"
	"slices"
	"strings"
)

// Finding is one thing that an analyser found, as results carry it (CONTRACT §3;
// rule_id, fingerprint and suppression are Cordon's additions).
type Finding struct {
	// ID is unique within one result. Seal sets it to the fingerprint, so it is
	// the same in the next run too.
	ID string `json:"id"`

	// RuleID names the rule, for people and for the ignore file: "py-eval",
	// "gosec-g401". It is unique over all analysers.
	RuleID string `json:"rule_id"`

	// Fingerprint identifies the finding over runs; see Seal.
	Fingerprint string `json:"fingerprint"`

	Title       string   `json:"title"`
	Description string   `json:"description"`
	Severity    Severity `json:"severity"`
	Category    string   `json:"category"`

	// FilePath is relative to the workspace, with slashes. LineStart and LineEnd
	// count from 1, both inclusive; 0 means the file as a whole.
	FilePath  string `json:"file_path,omitempty"`
	LineStart int    `json:"line_start,omitempty"`
	LineEnd   int    `json:"line_end,omitempty"`

	// CodeSnippet is the code in question, secrets redacted.
	CodeSnippet    string `json:"code_snippet,omitempty"`
	Recommendation string `json:"recommendation,omitempty"`

	// Stacks are the calls that led to it, where something crashed.
	Stacks []Stack `json:"stacks,omitempty"`

	// Metadata holds what only some analysers know: "cwe", "commit", "tool".
	// It is never nil in a sealed finding.
	Metadata map[string]any `json:"metadata"`

	// Suppression is set in findings that Ignore.Apply put aside.
	Suppression *Suppression `json:"suppression,omitempty"`

	// Key is what tells this finding from others of its rule in its file: the
	// matched code with every secret replaced by a constant. Seal hashes it. It
	// does not leave the process.
	Key string `json:"-"`
}

// Stack is a stack of calls.
type Stack struct {
	Message string       `json:"message,omitempty"` // what it is of
	Frames  []StackFrame `json:"frames"`            // the innermost first
}

// StackFrame is one call. What is not known of it is empty.
type StackFrame struct {
	Function string `json:"function,omitempty"`
	File     string `json:"file,omitempty"` // relative to the workspace, with slashes
	Line     int    `json:"line,omitempty"`
	Module   string `json:"module,omitempty"`
}

// Suppression says why a finding was put aside.
type Suppression struct {
	Line          int    `json:"line"`                    // in the ignore file
	Justification string `json:"justification,omitempty"` // the comment behind the entry
}

// Compare orders findings for results and tables: the worst first, then by file,
// line, rule and fingerprint. It is total for sealed findings.
func Compare(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(b.Severity.rank(), a.Severity.rank()),
		strings.Compare(a.FilePath, b.FilePath),
		cmp.Compare(a.LineStart, b.LineStart),
		strings.Compare(a.RuleID, b.RuleID),
		strings.Compare(a.Fingerprint, b.Fingerprint),
	)
}

// Sort sorts fs by Compare, in place.
func Sort(fs []Finding) { slices.SortStableFunc(fs, Compare) }

// Worst returns the highest severity among fs, or "" if there are none.
func Worst(fs []Finding) Severity {
	var worst Severity
	for _, f := range fs {
		if f.Severity.rank() > worst.rank() {
			worst = f.Severity
		}
	}
	return worst
}
