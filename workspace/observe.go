package workspace

import (
	"context"

	"github.com/cordonlabs/cordon"
)

// Observer is told what a cache does, as it does it: for metrics and traces, of which
// the engine knows nothing. Its methods are called from many goroutines at once, some
// with locks held that others wait for: they must return at once.
type Observer interface {
	// Begin is told that a piece of work begins. It returns the context that the work is
	// done in, which is ctx or made of it, and what is called with what came of it.
	Begin(ctx context.Context, w Work) (context.Context, func(Done))
	// Arrived is told of bytes of an object that have been downloaded.
	Arrived(bytes int64)
	// Gone is told of an entry, or the object kept beside one, that went.
	Gone(Gone)
}

// Work is a piece of a cache's work that takes time.
type Work struct {
	Kind     WorkKind
	Target   cordon.TargetID // zero in a sweep and a cleanup
	Run      string          // of WorkGet, WorkFetch (the one that asked first), WorkView and WorkCleanup
	Workflow string          // of WorkGet and WorkCleanup: the id of the workflow that called; "" where none did
	Mode     cordon.Mode     // of WorkGet
	Driver   string          // of WorkView
	Path     string          // of WorkCleanup, as the caller says it
}

// WorkKind says what is done.
type WorkKind string

// The kinds of work. Downloading and extracting of one object overlap, and both are
// parts of a fetch, which is a part of the get that asked first.
const (
	WorkGet      WorkKind = "get"      // one call of Get
	WorkFetch    WorkKind = "fetch"    // a target is brought from the store into the cache
	WorkDownload WorkKind = "download" // from the request for its object to the last byte
	WorkExtract  WorkKind = "extract"  // an archive becomes a tree
	WorkView     WorkKind = "view"     // a driver makes a run's view of a base
	WorkCleanup  WorkKind = "cleanup"  // one call of Cleanup
	WorkSweep    WorkKind = "sweep"    // one Sweep that was not another process's
)

// Done is what came of a piece of work.
type Done struct {
	Err     error
	Bytes   int64   // download: that arrived; cleanup and sweep: that were freed; others: of the disk
	Hit     bool    // of a get: nothing was downloaded for it
	Driver  string  // of a get: how its view was made, "" where there is none
	Outcome Outcome // of a cleanup
}

// Gone is an entry, or the object kept beside one, that went.
type Gone struct {
	Kind  Kind // KindObject for an object
	Cause Cause
	Bytes int64 // as the record says
}

// KindObject is, of something that was removed, the object kept beside a tree, which
// is no entry of its own.
const KindObject Kind = "object"

// Cause says in one word why something went. What people read says more.
type Cause string

// The causes. The first three make room.
const (
	ForLimit Cause = "limit" // CACHE_MAX_SIZE
	ForDisk  Cause = "disk"  // CACHE_MIN_FREE, or a disk that is full
	ForUser  Cause = "asked" // somebody asked the cache to shrink

	CleanedUp   Cause = "cleanup"     // its run cleaned it up
	RunOver     Cause = "run_over"    // its run is over, or its hold has expired
	Unused      Cause = "unused"      // CACHE_TTL
	Replaced    Cause = "replaced"    // by another version, or for another driver
	Tampered    Cause = "tampered"    // somebody changed it, or the disk did
	Lost        Cause = "lost"        // it, or a part of it, was gone already
	Interrupted Cause = "interrupted" // whoever made it died
)

// silent is the observer of a cache that nobody observes.
type silent struct{}

func (silent) Begin(ctx context.Context, _ Work) (context.Context, func(Done)) {
	return ctx, func(Done) {}
}
func (silent) Arrived(int64) {}
func (silent) Gone(Gone)     {}
