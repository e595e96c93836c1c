// Package metadata reads metadata.yaml, the file beside each workflow that says
// what it is called, where it runs, which mode its workspaces have and which
// parameters it takes (CONTRACT §2, §3).
//
// Parse turns one file into a Workflow, or into errors that give file, line and
// column. A Catalog holds the workflows that a program knows, and notices when
// a file is edited. Resolve says which mode holds for a run. A Workflow is a
// value; nothing in it may be modified once it has been parsed.
package metadata

import (
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cordonlabs/cordon"
)

// FileName is the name of the file that describes a workflow, in its directory.
const FileName = "metadata.yaml"

// Extract says whether a workflow's target is unpacked (CONTRACT §5).
type Extract string

// The extraction policies.
const (
	// ExtractAuto unpacks what is an archive by content, save for files that
	// merely happen to be zip (APK, JAR, wheels, office documents).
	ExtractAuto Extract = "auto"
	// ExtractTar unpacks tar archives alone, compressed or not.
	ExtractTar Extract = "tar"
	// ExtractNever hands the object out as the file that it is.
	ExtractNever Extract = "never"
)

// Workflow is what one metadata.yaml says.
type Workflow struct {
	// Name is the handle of the command line, and the first part of workflow
	// ids ({name}-{8 hex}, CONTRACT §3): letters, digits, '.', '_' and '-'.
	Name        string
	Version     string
	Description string
	Author      string
	Tags        []string

	// Vertical chooses the task queue ({vertical}-queue). It is "" where the
	// file names none, which means the worker's own; see VerticalOr.
	Vertical string

	// Isolation is the mode that the file asks for; Isolated where it asks for none.
	Isolation cordon.Mode
	// IsolationSet says whether the file asks for a mode at all. Where it does
	// not, the activity's argument holds (CONTRACT §2).
	IsolationSet bool

	// Parameters are in the file's order, which is the order in which clients
	// pass them after the target id (CONTRACT §3).
	Parameters []Parameter
	// DefaultParameters are the values for parameters whose schema has no default.
	DefaultParameters map[string]any
	// OutputSchema is the JSON schema of the result, kept as it stands.
	OutputSchema map[string]any

	// Class is the workflow type that clients start: workflow_class, or
	// PascalCase of the directory + "Workflow".
	Class string

	// Extract says whether the target is unpacked; ExtractAuto unless set.
	Extract Extract
	// KeepOnFailure keeps a failed run's workspace (CONTRACT §8.12: false unless set).
	KeepOnFailure bool
	// WorkspaceMaxSize is the most that one run's workspace may take; zero where the
	// file sets no limit, which means the worker's own (CACHE_WORKSPACE_MAX).
	WorkspaceMaxSize cordon.Size

	// Tool is what run says: the program of a workflow without code of its own; nil
	// where the workflow is code.
	Tool *Tool
	// Limits are those of the workflow's processes, whoever starts them.
	Limits Limits
	// Network says when they may use the network.
	Network Network

	// Extra holds the fields that this package does not know, as plain values.
	Extra map[string]any

	// File is where the workflow was read from, as it was given to Parse.
	File string

	classGiven bool
}

// VerticalOr returns the workflow's vertical, or def, the worker's own
// (WORKER_VERTICAL), where the file names none.
func (w Workflow) VerticalOr(def string) string {
	if w.Vertical != "" {
		return w.Vertical
	}
	return def
}

// Mode returns the mode to hand to Resolve: what the file asks for, or "".
func (w Workflow) Mode() cordon.Mode {
	if !w.IsolationSet {
		return ""
	}
	return w.Isolation
}

// ClassOf returns the workflow type of a workflow that lives in directory dir
// and does not set workflow_class: "atheris_fuzzing" is AtherisFuzzingWorkflow.
func ClassOf(dir string) string {
	words := strings.FieldsFunc(filepath.Base(dir), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	var b strings.Builder
	for _, w := range words {
		r, n := utf8.DecodeRuneInString(w)
		b.WriteRune(unicode.ToUpper(r))
		b.WriteString(w[n:])
	}
	return b.String() + "Workflow"
}
