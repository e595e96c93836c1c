package s3

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/internal/verify"
)

// putMeta is the user metadata that tells one put of a key from others, so that one
// whose answer was lost knows its own work.
const putMeta = "Put"

// PutBlob implements target.Blobs. What Put says of sizes, memory and patience
// holds here too. The bucket is created where it is missing and these credentials
// may. Of IfAbsent see condition: it is sure on AWS, MinIO and versitygw.
func (s *Store) PutBlob(ctx context.Context, key string, r io.Reader, size int64, opts target.PutBlob) (created bool, err error) {
	const op = "put blob"
	if err := checkBlob(op, key, size); err != nil {
		return false, err
	}
	at := s.blob(key)
	how := minio.PutObjectOptions{ContentType: cmp.Or(opts.ContentType, contentType)}
	var only *condition
	if opts.IfAbsent {
		taken, err := s.taken(ctx, at, "")
		if err != nil {
			return false, s.failure(ctx, op, key, at.bucket, key, err)
		}
		if taken {
			return false, nil
		}
		only = &condition{taken: func() (bool, error) { return s.taken(ctx, at, "") }}
		how.UserMetadata = map[string]string{putMeta: rand.Text()}
	}
	v, err := verify.New(ctx, r, key, target.PutOptions{Size: size})
	if err == nil {
		_, _, err = s.upload(ctx, at, v, how, only)
	}
	switch {
	case err == nil:
		return true, nil
	case v != nil && v.Err() != nil:
		return false, &cordon.Error{Op: op, Name: key, Err: v.Err()} // not the store's fault: the kind is the reader's
	case only != nil && ctx.Err() == nil && minio.ToErrorResponse(err).StatusCode == http.StatusPreconditionFailed:
		// Somebody was quicker, or an earlier try of this put whose answer was lost.
		if created, err = s.taken(ctx, at, how.UserMetadata[putMeta]); err == nil {
			return created, nil
		}
	}
	return false, s.failure(ctx, op, key, at.bucket, key, err)
}

// checkBlob returns an error unless size bytes may be put under key.
func checkBlob(op, key string, size int64) error {
	if err := target.CheckBlobKey(key); err != nil {
		return &cordon.Error{Op: op, Err: err}
	}
	if size < 0 {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: op, Name: key, Err: fmt.Errorf("it cannot have %d bytes", size), Fix: "state its size"}
	}
	if size > maxObject {
		return &cordon.Error{Kind: cordon.TargetTooLarge, Op: op, Name: key, Err: fmt.Errorf("it has %d bytes; S3 stores at most %d in an object", size, int64(maxObject)), Fix: "store less"}
	}
	return nil
}

// taken reports whether an object is there, put by the put of that name unless it is "".
func (s *Store) taken(ctx context.Context, at place, put string) (bool, error) {
	var o minio.ObjectInfo
	err := s.persist(ctx, at, 1, func() (err error) {
		o, err = s.core.StatObject(ctx, at.bucket, at.key, minio.StatObjectOptions{})
		return err
	})
	switch minio.ToErrorResponse(err).Code {
	case minio.NoSuchKey, minio.NoSuchBucket:
		return false, nil
	}
	return err == nil && (put == "" || o.UserMetadata[putMeta] == put), err
}

// OpenBlob implements target.Blobs. Blobs are read as targets are: Open says how.
func (s *Store) OpenBlob(ctx context.Context, key string) (io.ReadCloser, target.BlobInfo, error) {
	const op = "open blob"
	if err := checkBlob(op, key, 0); err != nil {
		return nil, target.BlobInfo{}, err
	}
	r, info, err := s.read(ctx, op, s.blob(key), "", slog.LevelDebug) // there are many of them, and nobody counts
	if err != nil {
		return nil, target.BlobInfo{}, err
	}
	return r, target.BlobInfo{Key: key, Size: info.Size, Modified: info.Modified}, nil
}

// ListBlobs implements target.Blobs. Objects whose keys are no blob's are passed over.
func (s *Store) ListBlobs(ctx context.Context, prefix string) iter.Seq2[target.BlobInfo, error] {
	const op = "list blobs"
	return func(yield func(target.BlobInfo, error) bool) {
		if err := target.CheckBlobPrefix(prefix); err != nil {
			yield(target.BlobInfo{}, &cordon.Error{Op: op, Err: err})
			return
		}
		below := prefix
		if below != "" {
			below += "/"
		}
		var err error
		for o := range s.core.ListObjectsIter(ctx, s.blobs, minio.ListObjectsOptions{Prefix: below, Recursive: true}) {
			if err = o.Err; err != nil {
				break
			}
			if target.CheckBlobKey(o.Key) == nil && !yield(target.BlobInfo{Key: o.Key, Size: o.Size, Modified: o.LastModified}, nil) {
				return
			}
		}
		if err == nil {
			err = ctx.Err() // the listing just ends when its context does
		}
		if err != nil && (ctx.Err() != nil || minio.ToErrorResponse(err).Code != minio.NoSuchBucket) {
			yield(target.BlobInfo{}, s.failure(ctx, op, prefix, s.blobs, "", err))
		}
	}
}

// RemoveBlob implements target.Blobs.
func (s *Store) RemoveBlob(ctx context.Context, key string) error {
	const op = "remove blob"
	if err := checkBlob(op, key, 0); err != nil {
		return err
	}
	err := s.core.RemoveObject(ctx, s.blobs, key, minio.RemoveObjectOptions{})
	switch minio.ToErrorResponse(err).Code {
	case minio.NoSuchKey, minio.NoSuchBucket:
		return nil
	}
	if err != nil {
		return s.failure(ctx, op, key, s.blobs, key, err)
	}
	return nil
}
