package storm

import (
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// settings are what a process is started with.
type settings struct {
	Cache, Store string
	MaxSize      int64
	TTL          time.Duration
	Driver       string // CACHE_COW_DRIVER
	FetchLimit   int64
	Runs         string        `json:",omitempty"` // directory that says which runs are over
	Grace        time.Duration `json:",omitempty"`
}

// command is one thing to do. A process does all that it is told at once.
type command struct {
	ID     int
	Op     op
	Target string                 `json:",omitempty"`
	Run    string                 `json:",omitempty"`
	Mode   cordon.Mode            `json:",omitempty"`
	Path   string                 `json:",omitempty"`
	Keep   bool                   `json:",omitempty"` // the workspace, if the run fails
	Limit  time.Duration          `json:",omitempty"` // a deadline
	Cancel time.Duration          `json:",omitempty"` // when the caller loses interest
	Sweep  workspace.SweepOptions `json:",omitzero"`
	Steps  []step                 `json:",omitempty"`
}

type op string

const (
	opGet     op = "get"
	opCleanup op = "cleanup"
	opSweep   op = "sweep"
	opList    op = "list"  // Entries and Usage
	opOpen    op = "open"  // the cache once more, and Close
	opWrite   op = "write" // Steps in a workspace
	opKeep    op = "keep"  // a file of a workspace open, until Limit is over
	opUse     op = "use"   // a lease, likewise
)

// step changes something in a workspace.
type step struct {
	Do   string // "create", "append", "remove", "rename", "mkdir", "link", "shut" (mode 0), "swap" (the top for a new directory)
	Name string
	Data string `json:",omitempty"` // content; where to; what the old top is called then
}

// answer is what became of a command; or news that nobody asked for: ID is 0 then.
type answer struct {
	ID      int
	Fetch   string            `json:",omitempty"` // news: the target that is being downloaded
	Got     got               `json:",omitzero"`
	Outcome workspace.Outcome `json:",omitempty"` // of a cleanup
	Reason  string            `json:",omitempty"`
	Kind    cordon.Kind       `json:",omitempty"`
	Err     string            `json:",omitempty"`
	Context bool              `json:",omitempty"` // the error is that of the caller's own context
}

// got is what matters of a workspace.
type got struct {
	Path, ETag, Driver string
	ReadOnly, Hit      bool
}
