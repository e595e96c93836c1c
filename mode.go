package cordon

import "fmt"

// Mode says how a run's workspace relates to those of other runs of its target.
type Mode string

// The three modes, spelled as metadata.yaml and the activities' arguments spell them.
const (
	// Isolated gives the run its own download and its own tree.
	Isolated Mode = "isolated"
	// Shared gives every run the same read-only tree.
	Shared Mode = "shared"
	// CopyOnWrite gives the run a private writable view of a tree downloaded once.
	CopyOnWrite Mode = "copy-on-write"
)

// Modes lists the modes in the order in which help texts show them.
var Modes = []Mode{Isolated, Shared, CopyOnWrite}

// ParseMode reads a mode. The empty string means Isolated, the default
// (CONTRACT §1.1); anything else that is not a mode is an InvalidArgument error.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case "":
		return Isolated, nil
	case Isolated, Shared, CopyOnWrite:
		return m, nil
	}
	return "", &Error{
		Kind: InvalidArgument,
		Op:   "check workspace_isolation",
		Name: fmt.Sprintf("%q", s),
		Err:  fmt.Errorf("workspace_isolation is not a known mode"),
		Fix:  "use isolated, shared or copy-on-write",
	}
}
