package metadata_test

import (
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
)

func TestResolveFollowsTheOrderAndNamesWhatDiffers(t *testing.T) {
	const iso, sh, cow = cordon.Isolated, cordon.Shared, cordon.CopyOnWrite
	for name, c := range map[string]struct {
		run, meta, arg, want cordon.Mode
		warns                []string // none means no warning
	}{
		"nobody says anything":                   {"", "", "", iso, nil},
		"the argument alone":                     {"", "", sh, sh, nil},
		"metadata before an absent argument":     {"", sh, "", sh, nil},
		"metadata and argument agree":            {"", sh, sh, sh, nil},
		"metadata before the argument":           {"", sh, cow, sh, []string{"mode is shared", "metadata.yaml", "argument says copy-on-write"}},
		"an argument that spells the default":    {"", sh, iso, sh, []string{"mode is shared", "argument says isolated"}},
		"the run before metadata":                {cow, sh, "", cow, []string{"mode is copy-on-write, as --isolation", "workspace_isolation says shared"}},
		"the run before both, which are others":  {cow, sh, iso, cow, []string{"workspace_isolation says shared", "argument says isolated"}},
		"the run agrees with neither but itself": {iso, "", sh, iso, []string{"--isolation", "argument says shared"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, warning := metadata.Resolve(c.run, c.meta, c.arg)
			if got != c.want {
				t.Errorf("the mode is %q, want %q", got, c.want)
			}
			if (warning == "") != (c.warns == nil) {
				t.Errorf("the warning is %q", warning)
			}
			for _, want := range c.warns {
				if !strings.Contains(warning, want) {
					t.Errorf("%q should say %q", warning, want)
				}
			}
		})
	}
}
