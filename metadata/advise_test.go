package metadata_test

import (
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/metadata"
)

func TestAdviceFollowsWhatTheWorkflowSaysItDoes(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		level metadata.Level // "" means no advice
		says  string
	}{
		"a shared fuzzer disturbs itself":            {"name: cargo_fuzzing\nworkspace_isolation: shared", metadata.Danger, `name says "fuzzing"`},
		"a fuzzer by its tag":                        {"name: x\ntags: [LibFuzzer]\nworkspace_isolation: shared", metadata.Danger, `tag says "libfuzzer"`},
		"a fuzzer by its vertical":                   {"name: x\nvertical: afl\nworkspace_isolation: shared", metadata.Danger, `vertical says "afl"`},
		"an isolated fuzzer is right":                {"name: cargo_fuzzing\nworkspace_isolation: isolated", "", ""},
		"a copy-on-write fuzzer is right":            {"name: cargo_fuzzing\nworkspace_isolation: copy-on-write", "", ""},
		"a fuzzer without a mode is isolated":        {"name: cargo_fuzzing", "", ""},
		"a fuzzer that scans is a fuzzer":            {"name: fuzz\ntags: [scanner]\nworkspace_isolation: isolated", "", ""},
		"a writer in a read-only tree":               {"name: x\ndescription: Patches the build files.\nworkspace_isolation: shared", metadata.Danger, `description says "patches"`},
		"a scanner that says that it does not write": {"name: x\ndescription: A scanner that does not modify files.\nworkspace_isolation: shared", "", ""},
		"an isolated secret scan downloads again":    {"name: secret_detection\nworkspace_isolation: isolated", metadata.Hint, "shared, runs of one target would download it once"},
		"a static analysis without a mode":           {"name: x\ntags: [static-analysis]", metadata.Hint, `tag says "static"`},
		"a copy-on-write scan":                       {"name: x\ntags: [sast]\nworkspace_isolation: copy-on-write", metadata.Hint, "shared would spare"},
		"a shared scan is right":                     {"name: secret_detection\nworkspace_isolation: shared", "", ""},
		"nothing is known and no mode is set":        {"name: x", metadata.Hint, "not set"},
		"nothing is known":                           {"name: x\nworkspace_isolation: isolated", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := metadata.Advise(parse(t, c.text+"\n"))
			if c.level == "" {
				if len(got) != 0 {
					t.Errorf("got %v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Level != c.level || !strings.Contains(got[0].String(), c.says) {
				t.Errorf("got %v, want %s: …%s…", got, c.level, c.says)
			}
		})
	}
}
