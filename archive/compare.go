package archive

import (
	"context"
	"io"
	"os"
)

// Comparison says what an archive holds, and where a tree differs from it.
type Comparison struct {
	Report

	// Differences are in the order in which the archive names what differs, and
	// those that it does not name come last. The count is always complete.
	Differences     []Difference `json:"differences,omitempty"`
	DifferenceCount int64        `json:"difference_count,omitempty"`
}

// Difference is one path at which a tree is not what its archive says.
type Difference struct {
	Path   string         `json:"path"`
	Kind   DifferenceKind `json:"kind"`
	Detail string         `json:"detail,omitempty"` // for people
}

// DifferenceKind says how a path differs.
type DifferenceKind string

// The kinds of difference.
const (
	Missing   DifferenceKind = "missing"   // the archive has it and the tree does not
	Different DifferenceKind = "different" // in type, execute permission, content, target, or in what it is another name of
	Extra     DifferenceKind = "extra"     // the tree has it and the archive does not; what is below it is not told
)

// Compare compares tree with what Extract would make of the archive of size
// bytes in src: types, permissions but that to write, contents, where symbolic
// links lead, and which names are of one file. It makes nothing, and follows no
// link. Times are not compared, nor is the top directory itself.
//
// Differences are no error. Errors are those of Inspect, and what keeps this
// process from looking: no descriptors, no memory. The tree may change meanwhile:
// then the comparison may tell of either state, and that is all.
func Compare(ctx context.Context, src io.ReaderAt, size int64, tree *os.Root, opts Options) (Comparison, error) {
	opts.Reserve = nil
	x := newExtraction(ctx, src, size, opts)
	with, err := newComparer(tree, x)
	if err != nil {
		rep, err := x.end(err)
		return Comparison{Report: rep}, err
	}
	defer with.close()
	x.sink = with
	if err = x.extract(); err == nil {
		err = with.extras()
	}
	rep, err := x.end(err)
	return with.result(rep), err
}
