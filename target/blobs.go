package target

import (
	"context"
	"io"
	"iter"
	"time"
)

// Blobs stores what is neither a target nor a result: crash inputs, corpora.
// They stand in a bucket or directory of their own, "fuzzing", which the first
// write makes.
//
// A key is 1 to 8 components joined by '/', each of 1 to 200 bytes of letters,
// digits, '.', '_', '-', '~', '%', '+' and '=', none of which begins with a dot, and
// of 1000 bytes in all; anything else is InvalidArgument. No blob lies below
// another one's key: a Put that would put one there, or above others, may fail.
// BlobName spells any text as a component. The methods are safe for concurrent use and
// their errors those of Source, of kind NoSpace too where a store has no room. What is being
// put is invisible until it is complete.
type Blobs interface {
	// PutBlob stores the size bytes that r yields; more or fewer of them are
	// IntegrityMismatch, and an error of r fails the Put and is wrapped by its own.
	// Created says that this call stored them. With IfAbsent what is there already
	// stays, created is false, and r may not have been read; of several who put one
	// key so at once, one creates it. What is stored, or found to be there, is durable.
	PutBlob(ctx context.Context, key string, r io.Reader, size int64, opts PutBlob) (created bool, err error)

	// OpenBlob reads what is there now from its beginning; what is not is
	// TargetNotFound. The caller closes it.
	OpenBlob(ctx context.Context, key string) (io.ReadCloser, BlobInfo, error)

	// ListBlobs yields what lies below prefix, which is "" or whole components, in the
	// order of the keys, and stops at the first error. A store that has nothing yet
	// has none.
	ListBlobs(ctx context.Context, prefix string) iter.Seq2[BlobInfo, error]

	// RemoveBlob deletes it; what is not there is no error.
	RemoveBlob(ctx context.Context, key string) error
}

// PutBlob says how a blob is put.
type PutBlob struct {
	IfAbsent    bool
	ContentType string // "" is application/octet-stream
}

// BlobInfo describes a blob.
type BlobInfo struct {
	Key      string
	Size     int64
	Modified time.Time
}
