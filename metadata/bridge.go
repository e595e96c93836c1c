package metadata

import (
	"slices"
	"strings"
)

// Bridge says what is run for activities that a worker does not know itself: the file
// that CORDON_TOOL_BRIDGE names.
type Bridge struct {
	File    string
	Entries []Bridged // in the file's order; AnyActivity, if it is there, may stand anywhere
}

// AnyActivity is the name of the entry for activities that have none of their own.
const AnyActivity = "*"

// Bridged is the command that stands for one activity.
type Bridged struct {
	Activity string // its name, or AnyActivity

	// Tool has Args, Env and Readable, and the exit codes that mean success.
	Tool Tool
	// Final are the exit codes that mean that trying again is no use.
	Final []int

	Limits  Limits
	Network bool

	Workspace Access
	// Argument says which of the activity's arguments is the workspace.
	Argument Argument
}

// Access is what a command may do with the workspace that its activity was given.
type Access string

// The accesses; ReadOnly is the default.
const (
	Writable    Access = "writable"
	ReadOnly    Access = "read-only"
	NoWorkspace Access = "none" // the activity is given none
)

// Argument names an argument of an activity: by its position, from 1, or as a key of
// an argument that is an object. The zero value names the first that is a workspace.
type Argument struct {
	Position int
	Key      string
}

// Lookup returns the entry for an activity.
func (b Bridge) Lookup(activity string) (Bridged, bool) {
	for _, name := range []string{activity, AnyActivity} {
		if i := slices.IndexFunc(b.Entries, func(e Bridged) bool { return e.Activity == name }); i >= 0 {
			return b.Entries[i], true
		}
	}
	return Bridged{}, false
}

// Names lists the entries' names, for people.
func (b Bridge) Names() string {
	var names []string
	for _, e := range b.Entries {
		names = append(names, e.Activity)
	}
	return strings.Join(names, ", ")
}

// Workflow returns what the command is as a workflow without code: what runs tools
// runs those.
func (e Bridged) Workflow(activity, file string) Workflow {
	w := Workflow{Name: activity, File: file, Tool: &e.Tool, Limits: e.Limits}
	if e.Network {
		w.Network = NetworkAlways
	}
	return w
}
