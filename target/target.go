// Package target holds what the rest of Cordon knows about object stores: where
// uploaded targets and workflow results live.
//
// The interfaces are small on purpose: the cache needs Source alone. Package
// target/dir implements them on a directory, target/s3 on any S3 server;
// target/targettest is the conformance suite that both pass, and therefore the
// interfaces' full definition. Package target/pack turns a folder into an
// object.
package target

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/cordonlabs/cordon"
)

// Info describes a stored object.
type Info struct {
	ID   cordon.TargetID
	Size int64 // bytes

	// ETag names this version of the object: two objects under one id with
	// different content have different ETags (the reverse need not hold). It is
	// opaque, without quotes, and never empty.
	ETag string

	// SHA256 is the hex digest of the object's bytes as the uploader stated it,
	// or "" where it did not (it is a hint that proxies drop, CONTRACT §5). List
	// may leave it out.
	SHA256 string

	Modified time.Time
}

// Source is the part of a store that the cache needs. Its methods are safe for
// concurrent use and return *cordon.Error of these kinds: TargetNotFound (no
// such object, no such bucket or directory; the message says which),
// PermissionDenied, StorageUnavailable (the store could not be reached, broke
// off, or answered with a server error). A call whose context ended returns
// promptly, with an error that wraps the context's and has no kind.
type Source interface {
	// Stat describes the object as it is now.
	Stat(ctx context.Context, id cordon.TargetID) (Info, error)

	// Open reads the object from its beginning. If etag is not empty, the read
	// is of exactly that version: where the object has been replaced, Open or a
	// later Read fails with an error for which IsReplaced is true. With an empty
	// etag the read is of one version, the one that Info describes. The reader
	// fails with a *cordon.Error if fewer bytes than Info.Size arrive; it ends
	// with ctx, and is closed by the caller.
	Open(ctx context.Context, id cordon.TargetID, etag string) (io.ReadCloser, Info, error)
}

// Store is a Source that can also be written. An object that is being put is
// invisible until it is complete; a Put that fails leaves what was there before.
type Store interface {
	Source

	// Put stores what r yields under id, replacing what was there. An error of r
	// fails the Put and is wrapped by Put's own. Where the place for targets
	// (bucket, directory) is missing, Put makes it. A store without room is NoSpace.
	Put(ctx context.Context, id cordon.TargetID, r io.Reader, opts PutOptions) (Info, error)

	// List yields every target in the order of its id. It stops at the first
	// error. Whatever in the store is not a target is passed over.
	List(ctx context.Context) iter.Seq2[Info, error]

	// Remove deletes the object. Removing what does not exist is TargetNotFound.
	Remove(ctx context.Context, id cordon.TargetID) error
}

// PutOptions says what the uploader knows beforehand. A Put whose bytes differ
// from either statement fails with IntegrityMismatch.
type PutOptions struct {
	Size   int64  // bytes that r will yield; negative where unknown
	SHA256 string // hex digest of those bytes, or ""; stored with the object

	// Resume says that the bytes under this id are always the same ones, so that
	// an upload that broke off may be continued by the next Put of it. A Put that
	// fails for the store's reasons or because its context is over then keeps, out
	// of sight, what has arrived; one whose bytes fail keeps nothing. Where
	// the kept part turns out to be of other bytes the Put fails with Busy, and
	// what was kept is thrown away unless somebody may be at work on it: the same
	// Put without Resume begins afresh. Stores that publish by a rename
	// (target/dir) ignore Resume and always begin afresh.
	Resume bool

	// Sent, if not nil, is told how many bytes have gone out to the store so far:
	// of the object, not since the last call. That is an account for a progress
	// bar and no promise that the store has kept them; it falls back where a part
	// is sent again, and what an earlier upload left counts once it is found to be
	// the same. It is called from any goroutine, never from two at a time, must
	// return at once, and is not called after Put has returned.
	Sent func(bytes int64)
}

// Results stores what workflows return. A missing bucket or refused access is
// an error that is not retryable (CONTRACT §1.5).
type Results interface {
	// PutResult stores body as results/{workflowID}/results.{json|sarif} and
	// returns its URL (CONTRACT §1.5). A format other than "sarif" means "json".
	// ResultKey says how the id is spelled in the key.
	PutResult(ctx context.Context, workflowID, format string, body []byte) (url string, err error)

	// GetResult reads such an object back; what was never put is TargetNotFound.
	GetResult(ctx context.Context, workflowID, format string) ([]byte, error)
}
