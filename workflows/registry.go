// Package workflows knows the built-in workflows, their code and the metadata.yaml
// that lies beside it, and runs those that need no code.
package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/metadata"
	aflfuzzing "github.com/cordonlabs/cordon/workflows/afl_fuzzing"
	atherisfuzzing "github.com/cordonlabs/cordon/workflows/atheris_fuzzing"
	cargofuzzing "github.com/cordonlabs/cordon/workflows/cargo_fuzzing"
	gitleaksdetection "github.com/cordonlabs/cordon/workflows/gitleaks_detection"
	gofuzzing "github.com/cordonlabs/cordon/workflows/go_fuzzing"
	libfuzzerfuzzing "github.com/cordonlabs/cordon/workflows/libfuzzer_fuzzing"
	secretdetection "github.com/cordonlabs/cordon/workflows/secret_detection"
	securityassessment "github.com/cordonlabs/cordon/workflows/security_assessment"
	"github.com/cordonlabs/cordon/workflows/tool"
)

// builtin is one workflow: the folder that it lives in, its metadata.yaml, and
// its code.
type builtin struct {
	dir  string
	yaml []byte
	code any
}

var builtins = []builtin{
	{"afl_fuzzing", aflfuzzing.Metadata, aflfuzzing.Workflow},
	{"atheris_fuzzing", atherisfuzzing.Metadata, atherisfuzzing.Workflow},
	{"cargo_fuzzing", cargofuzzing.Metadata, cargofuzzing.Workflow},
	{"gitleaks_detection", gitleaksdetection.Metadata, gitleaksdetection.Workflow},
	{"go_fuzzing", gofuzzing.Metadata, gofuzzing.Workflow},
	{"libfuzzer_fuzzing", libfuzzerfuzzing.Metadata, libfuzzerfuzzing.Workflow},
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

// Verticals returns the verticals that have workflows which this program can run:
// built-in ones, and those of known that are a tool. They are sorted.
func Verticals(known ...metadata.Workflow) []string {
	var out []string
	for _, w := range slices.Concat(parsed, known) {
		if w.Vertical != "" && Runnable(w) {
			out = append(out, w.Vertical)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Runnable reports whether this program has all that the workflow needs: its code
// is built in, or it needs none.
func Runnable(w metadata.Workflow) bool {
	return w.Tool != nil || slices.ContainsFunc(parsed, func(b metadata.Workflow) bool { return b.Class == w.Class })
}

// Register registers workflows under their class names (CONTRACT §3) and returns
// those names: the built-in ones of the vertical, and those of known that are a tool
// and that its caller wants on this queue. A tool takes the place of a built-in
// workflow of its class.
func Register(r worker.WorkflowRegistry, vertical string, known []metadata.Workflow) []string {
	var names []string
	register := func(class string, code any) {
		if !slices.Contains(names, class) {
			r.RegisterWorkflowWithOptions(code, workflow.RegisterOptions{Name: class})
			names = append(names, class)
		}
	}
	for _, w := range known {
		if w.Tool != nil {
			register(w.Class, tool.Workflow)
		}
	}
	for i, b := range builtins {
		if w := parsed[i]; w.Vertical == vertical {
			register(w.Class, b.code)
		}
	}
	return names
}
