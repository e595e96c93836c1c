// Package workflows knows the built-in workflows: their code, and the
// metadata.yaml that lies beside it.
package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/metadata"
	secretdetection "github.com/cordonlabs/cordon/workflows/secret_detection"
	securityassessment "github.com/cordonlabs/cordon/workflows/security_assessment"
)

// builtin is one workflow: the folder that it lives in, its metadata.yaml, and
// its code.
type builtin struct {
	dir  string
	yaml []byte
	code any
}

var builtins = []builtin{
	{"secret_detection", secretdetection.Metadata, secretdetection.Workflow},
	{"security_assessment", securityassessment.Metadata, securityassessment.Workflow},
}

// parsed holds the metadata in the order of builtins. The files are part of the
// program, so that one which cannot be read is a defect of the program.
var parsed = func() []metadata.Workflow {
	var out []metadata.Workflow
	for _, b := range builtins {
		w, warnings, err := metadata.Parse(b.dir+"/"+metadata.FileName, b.yaml)
		if err != nil || len(warnings) > 0 {
			panic(fmt.Sprintf("workflows: %v %v", err, warnings))
		}
		out = append(out, w)
	}
	return out
}()

// Builtin returns the metadata of the built-in workflows, for a catalog.
func Builtin() []metadata.Workflow { return slices.Clone(parsed) }

// Verticals returns the verticals that have built-in workflows, sorted.
func Verticals() []string {
	var out []string
	for _, w := range parsed {
		out = append(out, w.Vertical)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Register registers the built-in workflows of a vertical under their class
// names (CONTRACT §3) and returns those names.
func Register(r worker.WorkflowRegistry, vertical string) []string {
	var names []string
	for i, b := range builtins {
		if w := parsed[i]; w.Vertical == vertical {
			r.RegisterWorkflowWithOptions(b.code, workflow.RegisterOptions{Name: w.Class})
			names = append(names, w.Class)
		}
	}
	return names
}
