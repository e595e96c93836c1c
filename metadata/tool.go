package metadata

import (
	"slices"
	"time"

	"github.com/cordonlabs/cordon/finding"
)

// Tool is the program of a workflow that needs no code: what is started, and what
// becomes of what it leaves.
type Tool struct {
	// Args are the program and its arguments, one by one.
	Args []Template
	// Env is added to the tool's environment, which is otherwise next to empty; in
	// the file's order.
	Env []Variable
	// Readable are directories and files outside of the system's own that the tool
	// needs: where it is installed, its rules. Absolute paths.
	Readable []string

	Results   Results
	ExitCodes ExitCodes
}

// Variable is one of a tool's environment.
type Variable struct {
	Name  string
	Value Template
}

// Results say which of the files that a tool leaves are read, and how.
type Results struct {
	Stdout *Place  // where its standard output is written to; nil: nowhere, its end is kept for people
	SARIF  []Place // SARIF 2.1.0 logs, whose results become findings
	JSON   *Place  // one JSON text, which becomes the result's data
	Keep   []Files // stored beside the result
}

// Place is a file below the tool's output directory or below the workspace.
type Place struct {
	InWorkspace bool
	Path        string // relative, with slashes, clean
}

// String spells the place as metadata.yaml does.
func (p Place) String() string {
	if p.InWorkspace {
		return "{" + WorkspacePlaceholder + "}/" + p.Path
	}
	return p.Path
}

// Files are those below the tool's output directory, or below the workspace, whose
// paths match.
type Files struct {
	InWorkspace bool
	Glob        finding.Glob
}

// String spells the files as metadata.yaml does.
func (f Files) String() string { return Place{f.InWorkspace, f.Glob.String()}.String() }

// ExitCodes say what a tool's exit code means; one that is in neither list is a
// failure.
type ExitCodes struct {
	OK       []int // done
	Findings []int // done, and there is something to report
}

// Done reports whether the code says that the tool did its work, and whether it
// says that it found something.
func (e ExitCodes) Done(code int) (done, found bool) {
	found = slices.Contains(e.Findings, code)
	return found || slices.Contains(e.OK, code), found
}

// Limits are those of the processes of a run. Zero is the sandbox's own default.
type Limits struct {
	Memory    int64         // bytes, all processes together
	Processes int           // at a time, threads included
	CPU       float64       // processors
	Time      time.Duration // by the clock; see DefaultTime
	Bytes     int64         // that it may write to disk
	Inodes    int64         // that it may make
}

// DefaultTime is how long a tool may take where limits.time does not say: the git
// history of a large project on a slow disk. MaxTime is the most that it may say.
const (
	DefaultTime = time.Hour
	MaxTime     = 7 * 24 * time.Hour
)

// Network says when the processes of a run may use the network.
type Network string

// The settings of network.
const (
	NetworkNever  Network = ""      // false, the default: not even the loopback of the host
	NetworkBuild  Network = "build" // while a fuzzing workflow builds the project
	NetworkAlways Network = "true"
)

// String spells the setting as metadata.yaml does.
func (n Network) String() string {
	if n == NetworkNever {
		return "false"
	}
	return string(n)
}
