package target

import (
	"context"
	"iter"
	"path"
	"time"
)

// ResultLister is what a store of results may also be: one whose results can be
// looked through and removed. Its errors are those of Results.
type ResultLister interface {
	// ListResults yields the results in no order, and stops at the first error. What else
	// is in their place is passed over. Where there is no such place there are none.
	ListResults(ctx context.Context) iter.Seq2[ResultInfo, error]

	// RemoveResult deletes the result under a key of ListResults; what is not there
	// is no error, and a key that is no result's is InvalidArgument.
	RemoveResult(ctx context.Context, key string) error
}

// ResultInfo describes a stored result.
type ResultInfo struct {
	Key      string // as ResultKey spells it
	Size     int64
	Modified time.Time
}

// IsResultKey reports whether key is of the form that ResultKey returns.
func IsResultKey(key string) bool {
	dir, file := path.Split(key)
	return len(dir) > 1 && dir[0] != '.' && path.Dir(path.Clean(dir)) == "." && path.Join(dir, file) == key &&
		(file == "results.json" || file == "results.sarif")
}
