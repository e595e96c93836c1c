package workspace

import (
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
)

// Request asks for a run's workspace of a target.
type Request struct {
	Target cordon.TargetID
	Run    cordon.RunID
	Mode   cordon.Mode

	// Owner says which execution of which Temporal the run is. The zero Owner
	// means that no Temporal knows the run: its holds end by Cleanup or expiry.
	Owner Owner

	// Extract decides what happens to archives; empty means archive.Auto.
	Extract archive.Policy

	// MaxSize is the most that the run's own workspace may take (workspace_max_size
	// in metadata.yaml); zero: Options.WorkspaceMax.
	MaxSize cordon.Size

	// KeepOnFailure keeps the run's own workspace until its time to live where the
	// run fails, for people to look at (CONTRACT §8.12).
	KeepOnFailure bool

	// Progress, if not nil, is called from Get's own goroutine every now and
	// then (at most twice a second) while Get waits or works.
	Progress func(Progress)
}

// Owner names the workflow execution behind a run, so that a sweep can ask the
// right Temporal whether the run is still open (CONTRACT §8.3).
type Owner struct {
	Cluster    string `json:"cluster,omitempty"` // Temporal's cluster id
	Namespace  string `json:"namespace,omitempty"`
	WorkflowID string `json:"workflow_id,omitempty"`
	FirstRunID string `json:"first_run_id,omitempty"` // of the chain: retries and continue-as-new share it
	RunID      string `json:"run_id,omitempty"`       // of the execution that called; may differ from Request.Run
}

// Progress is what a Get is doing at the moment.
type Progress struct {
	Stage string // "waiting for …", "downloading", "extracting", "copying", "publishing"
	Done  int64  // bytes of the stage so far
	Total int64  // bytes of the stage, 0 where unknown
}

// Workspace is the answer to a Request.
type Workspace struct {
	Path     string          `json:"path"` // absolute; CONTRACT §1.2
	Target   cordon.TargetID `json:"target_id"`
	Run      cordon.RunID    `json:"run_id"`
	Mode     cordon.Mode     `json:"mode"`
	Driver   string          `json:"driver,omitempty"` // how the view was made: "overlay", "copy", …; empty where there is no view
	ETag     string          `json:"etag"`
	Bytes    int64           `json:"bytes"`           // disk the entry takes, object included
	Omitted  int             `json:"omitted"`         // archive entries left out (links that leave the tree)
	Hit      bool            `json:"hit"`             // nothing was downloaded for this call
	Stale    bool            `json:"stale"`           // the store could not be asked whether this is its newest version
	ReadOnly bool            `json:"readonly"`        // the tree is not to be written
	Notes    []string        `json:"notes,omitempty"` // what the run should know, for people: a workspace that was lost, another driver than wished
}

// Outcome says what a Cleanup did.
type Outcome string

// The outcomes of Cleanup. None of them is an error.
const (
	Removed   Outcome = "removed"   // the run's directory is gone
	Released  Outcome = "released"  // the run's hold on a shared tree ended; nothing was deleted
	Kept      Outcome = "kept"      // a tree that other runs share, and this run held nothing of it; or it is pinned
	Scheduled Outcome = "scheduled" // somebody is making it at the moment, and will throw it away
	Unknown   Outcome = "unknown"   // not a path that the cache handed out; nothing was touched
)

// Cleaned is the result of a Cleanup.
type Cleaned struct {
	Outcome Outcome `json:"outcome"`
	Path    string  `json:"path"`
	Reason  string  `json:"reason"`          // for people
	Bytes   int64   `json:"bytes,omitempty"` // disk that the removed entry took when it was measured last
}

// Kind says what an entry is.
type Kind string

// The kinds of entry.
const (
	KindRun    Kind = "run"    // a run's own directory
	KindShared Kind = "shared" // a target's shared tree
	KindBase   Kind = "base"   // the read-only tree that copy-on-write runs start from

	KindQuarantine Kind = "quarantine" // a tree that was tampered with, kept for people to look at
)

// Entry describes one entry of the cache, for listings.
type Entry struct {
	Key      string          `json:"key"`
	Kind     Kind            `json:"kind"`
	Path     string          `json:"path"` // absolute
	Target   cordon.TargetID `json:"target_id"`
	Run      string          `json:"run_id,omitempty"`
	Mode     cordon.Mode     `json:"mode,omitempty"`
	Driver   string          `json:"driver,omitempty"`
	ETag     string          `json:"etag"`
	Bytes    int64           `json:"bytes"` // tree and object, by allocated blocks
	Object   int64           `json:"object_bytes"`
	Inodes   int64           `json:"inodes"`
	Created  time.Time       `json:"created"`
	LastUsed time.Time       `json:"last_used"`
	Expires  time.Time       `json:"expires,omitzero"` // when the sweep would remove it if nobody uses it again; zero = never
	Holders  []Holder        `json:"holders"`
	Tampered string          `json:"tampered,omitempty"` // what somebody changed in it; no new run gets it
	Pin      *Pin            `json:"pin,omitempty"`      // somebody wants it to stay

	Limit     int64 `json:"limit,omitempty"`      // the most bytes that it may take; 0: no limit of its own
	OverLimit bool  `json:"over_limit,omitempty"` // it took more when it was measured last
}

// Holder is one run's claim on an entry.
type Holder struct {
	Run     string    `json:"run_id"`
	Owner   Owner     `json:"owner"`
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
	Expires time.Time `json:"expires,omitzero"`
	Live    bool      `json:"live"`           // a living process has it
	Kept    string    `json:"kept,omitempty"` // how the run ended whose workspace stays until Expires (keep_on_failure): "failed", "timed out"
}

// Usage is the cache's account of the disk.
type Usage struct {
	Dir            string         `json:"dir"`
	MaxSize        int64          `json:"max_size"`
	Recorded       int64          `json:"recorded"` // sum over the records
	RecordedInodes int64          `json:"recorded_inodes"`
	Reserved       int64          `json:"reserved"`             // promised to work under way
	Reclaimable    int64          `json:"reclaimable"`          // what an eviction could free
	Held           int64          `json:"held"`                 // entries that runs hold
	Pinned         int64          `json:"pinned"`               // entries that are pinned, held or not
	StrayPins      []string       `json:"stray_pins,omitempty"` // keys that are pinned and have no entry
	Tampered       int64          `json:"tampered"`             // entries that were found to be tampered with, in quarantine or still held
	Trash          int            `json:"trash"`                // things that wait for their deletion
	TrashBytes     int64          `json:"trash_bytes"`          // what is known of their size
	OnDisk         int64          `json:"on_disk,omitempty"`
	Entries        map[Kind]int   `json:"entries"`
	ByKind         map[Kind]int64 `json:"bytes_by_kind"`
	DiskFree       int64          `json:"disk_free"`
	DiskTotal      int64          `json:"disk_total"`
	MinFree        int64          `json:"min_free"`        // of the disk, stays free (CACHE_MIN_FREE)
	InodesFree     int64          `json:"inodes_free"`     // this and the total are 0 where the file
	InodesTotal    int64          `json:"inodes_total"`    // system makes them as it needs them
	MinFreeInodes  int64          `json:"min_free_inodes"` // stay free
}

// Removal is one thing that a sweep removed, or would remove.
type Removal struct {
	Key     string          `json:"key,omitempty"`
	Kind    Kind            `json:"kind,omitempty"` // of entries, as what follows
	Target  cordon.TargetID `json:"target_id,omitzero"`
	Run     string          `json:"run_id,omitempty"`
	Staging string          `json:"staging,omitempty"` // where it was made: tells it from what has its key later
	Path    string          `json:"path"`
	Reason  string          `json:"reason"`
	Bytes   int64           `json:"bytes"`
}

// SweepOptions narrows or widens a sweep.
type SweepOptions struct {
	DryRun    bool  // say what would go and write down a plan, touch nothing else
	Shrink    bool  // evict until no more than KeepBytes are recorded
	KeepBytes int64 // with Shrink

	// Plan is the id of a dry run's plan: what that would have removed goes, unless
	// somebody needs it by now, and nothing else. Its limit is the dry run's.
	Plan string

	// Restore brings back mounts of what runs hold, into this process's mount
	// namespace: for workers, whose tools need them. A command that looks after the
	// cache from elsewhere would take them away from there.
	Restore bool
}

// SweepReport says what a sweep did.
type SweepReport struct {
	Removals []Removal `json:"removals"`
	Freed    int64     `json:"freed_bytes"`
	Deferred []Removal `json:"deferred"`       // what could not be removed now, with the reason
	Busy     bool      `json:"busy"`           // another process was sweeping: nothing was done
	Plan     string    `json:"plan,omitempty"` // of a dry run that found anything: what SweepOptions.Plan carries out; a day long
}
