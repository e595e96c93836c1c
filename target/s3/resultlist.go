package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

var _ target.ResultLister = (*Store)(nil)

// ListResults implements target.ResultLister.
func (s *Store) ListResults(ctx context.Context) iter.Seq2[target.ResultInfo, error] {
	return func(yield func(target.ResultInfo, error) bool) {
		var err error
		for o := range s.core.ListObjectsIter(ctx, s.results, minio.ListObjectsOptions{Recursive: true}) {
			if err = o.Err; err != nil {
				break
			}
			if target.IsResultKey(o.Key) && !yield(target.ResultInfo{Key: o.Key, Size: o.Size, Modified: o.LastModified}, nil) {
				return
			}
		}
		if err == nil {
			err = ctx.Err() // the listing just ends when its context does
		}
		if err != nil && (ctx.Err() != nil || minio.ToErrorResponse(err).Code != minio.NoSuchBucket) {
			yield(target.ResultInfo{}, s.failure(ctx, "list results", "", s.results, "", err))
		}
	}
}

// RemoveResult implements target.ResultLister.
func (s *Store) RemoveResult(ctx context.Context, key string) error {
	const op = "remove result"
	name := fmt.Sprintf("%q", key)
	if !target.IsResultKey(key) {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: op, Name: name, Err: errors.New("it is not the key of one"), Fix: "give a key as they are listed"}
	}
	err := s.core.RemoveObject(ctx, s.results, key, minio.RemoveObjectOptions{})
	switch minio.ToErrorResponse(err).Code {
	case minio.NoSuchKey, minio.NoSuchBucket:
		return nil
	}
	if err != nil {
		return s.failure(ctx, op, name, s.results, key, err)
	}
	return nil
}
