package workflows_test

import (
	"slices"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workflows"
)

// CONTRACT §3: names, verticals, classes, modes and the order of the arguments
// are what clients rely on.
func TestBuiltinWorkflowsAreThoseOfTheContract(t *testing.T) {
	own, shared := cordon.Isolated, cordon.Shared
	want := map[string]struct {
		vertical, class string
		mode            cordon.Mode
		parameters      []string
	}{
		"gitleaks_detection":  {"secrets", "GitleaksDetectionWorkflow", shared, []string{"scan_mode", "redact", "no_git"}},
		"secret_detection":    {"secrets", "SecretDetectionWorkflow", shared, []string{"scan_mode", "redact", "no_git"}},
		"security_assessment": {"python", "SecurityAssessmentWorkflow", shared, []string{"scanner_config", "analyzer_config", "reporter_config"}},
		"atheris_fuzzing":     {"python", "AtherisFuzzingWorkflow", own, []string{"target_file", "max_iterations", "timeout_seconds"}},
		"cargo_fuzzing":       {"rust", "CargoFuzzingWorkflow", own, []string{"target_name", "max_iterations", "timeout_seconds", "sanitizer"}},
		"libfuzzer_fuzzing":   {"native", "LibfuzzerFuzzingWorkflow", own, []string{"target_name", "max_iterations", "timeout_seconds", "sanitizer"}},
		"afl_fuzzing":         {"native", "AflFuzzingWorkflow", own, []string{"target_name", "max_iterations", "timeout_seconds"}},
		"go_fuzzing":          {"go", "GoFuzzingWorkflow", own, []string{"target_name", "max_iterations", "timeout_seconds"}},
	}
	got := workflows.Builtin()
	if len(got) != len(want) {
		t.Errorf("%d built-in workflows, want %d", len(got), len(want))
	}
	for _, w := range got {
		expect, ok := want[w.Name]
		if !ok {
			t.Errorf("unexpected workflow %s", w.Name)
			continue
		}
		var parameters []string
		for _, p := range w.Parameters {
			parameters = append(parameters, p.Name)
		}
		if w.Vertical != expect.vertical || w.Class != expect.class || w.Mode() != expect.mode || !slices.Equal(parameters, expect.parameters) {
			t.Errorf("%s: vertical %s, class %s, mode %s, parameters %v", w.Name, w.Vertical, w.Class, w.Mode(), parameters)
		}
		if _, err := w.Arguments("project", nil); err != nil {
			t.Errorf("%s has no usable defaults: %v", w.Name, err)
		}
	}
	if v := workflows.Verticals(); !slices.Equal(v, []string{"go", "native", "python", "rust", "secrets"}) {
		t.Errorf("verticals %v", v)
	}
}
