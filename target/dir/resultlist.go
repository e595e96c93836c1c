package dir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

var _ target.ResultLister = (*Store)(nil)

// ListResults implements target.ResultLister.
func (s *Store) ListResults(ctx context.Context) iter.Seq2[target.ResultInfo, error] {
	const op = "list results"
	return func(yield func(target.ResultInfo, error) bool) {
		dir := filepath.Join(s.root, resultsDir)
		entries, err := os.ReadDir(dir)
		if isAbsent(err) {
			return
		}
		if err != nil {
			yield(target.ResultInfo{}, failure(op, dir, err))
			return
		}
		for _, e := range entries {
			for _, format := range []string{"json", "sarif"} {
				key := path.Join(e.Name(), "results."+format)
				fi, err := os.Lstat(filepath.Join(dir, key))
				if isAbsent(err) || err == nil && !(fi.Mode().IsRegular() && target.IsResultKey(key)) {
					continue
				}
				if err = cmp.Or(err, ctx.Err()); err != nil {
					yield(target.ResultInfo{}, failure(op, dir, err))
					return
				}
				if !yield(target.ResultInfo{Key: key, Size: fi.Size(), Modified: fi.ModTime()}, nil) {
					return
				}
			}
		}
	}
}

// RemoveResult implements target.ResultLister. A directory that it leaves empty
// goes with it.
func (s *Store) RemoveResult(ctx context.Context, key string) error {
	const op = "remove result"
	name := fmt.Sprintf("%q", key)
	if !target.IsResultKey(key) {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: op, Name: name, Err: errors.New("it is not the key of one"), Fix: "give a key as they are listed"}
	}
	file := filepath.Join(s.root, resultsDir, key)
	err := ctx.Err()
	if err == nil {
		err = os.Remove(file)
	}
	if err != nil && !isAbsent(err) {
		return failure(op, name, err)
	}
	_ = os.Remove(filepath.Dir(file)) // fails, as it should, when the other format is in there
	return nil
}
