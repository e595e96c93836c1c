package secrets

import (
	"fmt"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
)

// Mode says what is scanned: the scan_mode of the workflow secret_detection (CONTRACT §3).
type Mode string

const (
	// Detect scans the files and, where there is one, the git history: what has leaked.
	Detect Mode = "detect"
	// Protect scans the files alone: what would leak with the next commit.
	Protect Mode = "protect"
)

// ParseMode reads a mode; the empty string means Detect. Anything else is an InvalidArgument error.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case "":
		return Detect, nil
	case Detect, Protect:
		return m, nil
	}
	return "", &cordon.Error{
		Kind: cordon.InvalidArgument, Op: "check scan_mode", Name: fmt.Sprintf("%q", s),
		Err: fmt.Errorf("scan_mode is not a known mode"),
		Fix: "use detect (files and git history) or protect (files alone)",
	}
}

// Options say what to scan.
type Options struct {
	Dir  string // the workspace
	Mode Mode   // "" means Detect

	// NoGit leaves the history out in mode Detect.
	NoGit bool

	// NoRedact is the workflow's redact=false. Secrets are redacted all the same; it is taken so that
	// callers need not change, and answered by a note.
	NoRedact bool

	Progress analyze.Progress // may be nil

	// Scrubber is told of every secret that is found, so that other analysers of the same
	// workspace do not show them. It may be nil.
	Scrubber *Scrubber
}
