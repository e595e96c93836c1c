package metadata

import (
	"fmt"
	"strings"

	"github.com/cordonlabs/cordon"
)

// Resolve says which mode holds for a run, in the order of CONTRACT §2: run, the
// one asked for on the command line and carried in the run's memo; meta, the one
// in the calling workflow's metadata.yaml (Workflow.Mode); arg, the activity's
// argument; Isolated. Each is "" where nobody said anything.
//
// An argument that spells out "isolated" is a statement like any other; one that
// is missing, null or empty is none, and never differs from anything. Where two
// statements differ, warning names all that were made; else it is "".
func Resolve(run, meta, arg cordon.Mode) (mode cordon.Mode, warning string) {
	said := []struct {
		mode  cordon.Mode
		where string
	}{
		{run, "--isolation"},
		{meta, "metadata.yaml's workspace_isolation"},
		{arg, "the activity's argument"},
	}
	winner := ""
	var others []string
	for _, s := range said {
		switch {
		case s.mode == "":
		case mode == "":
			mode, winner = s.mode, s.where
		case s.mode != mode:
			others = append(others, fmt.Sprintf("%s says %s", s.where, s.mode))
		}
	}
	if mode == "" {
		return cordon.Isolated, ""
	}
	if len(others) > 0 {
		warning = fmt.Sprintf("the mode is %s, as %s says, although %s", mode, winner, strings.Join(others, " and "))
	}
	return mode, warning
}
