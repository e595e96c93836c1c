package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
)

func TestTheTableIsMeasured(t *testing.T) {
	t.Setenv("TMPDIR", mountstest.Dir(t))
	var out strings.Builder
	if err := run(t.Context(), &out, 1, 20); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		`\| isolated: .* \| [\d.]+ m?s \| [\d.]+ (ms|µs) \|`,
		`\| copy-on-write: .* \| [\d.]+ `,
		`\| … downloads \| [1-8][\d.]* \| 1 \|`,
	} {
		if !regexp.MustCompile(row).MatchString(out.String()) {
			t.Errorf("no row %s in\n%s", row, out.String())
		}
	}
}
