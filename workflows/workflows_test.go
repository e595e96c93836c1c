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
	want := map[string]struct {
		vertical, class string
		parameters      []string
	}{
		"secret_detection":    {"secrets", "SecretDetectionWorkflow", []string{"scan_mode", "redact", "no_git"}},
		"security_assessment": {"python", "SecurityAssessmentWorkflow", []string{"scanner_config", "analyzer_config", "reporter_config"}},
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
		if w.Vertical != expect.vertical || w.Class != expect.class || w.Mode() != cordon.Shared || !slices.Equal(parameters, expect.parameters) {
			t.Errorf("%s: vertical %s, class %s, mode %s, parameters %v", w.Name, w.Vertical, w.Class, w.Mode(), parameters)
		}
		if _, err := w.Arguments("project", nil); err != nil {
			t.Errorf("%s has no usable defaults: %v", w.Name, err)
		}
	}
	if v := workflows.Verticals(); !slices.Equal(v, []string{"python", "secrets"}) {
		t.Errorf("verticals %v", v)
	}
}
