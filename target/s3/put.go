package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/internal/verify"
)

// 16 MiB keep a part's fixed costs small beside its transfer; S3 allows 10,000
// parts to an object, so that 156 GiB fit. Larger objects of known size get
// larger parts.
const (
	minPart     = 16 << 20 // bytes
	maxParts    = 10_000
	contentType = "application/octet-stream"
	// maxObject is the most that S3 stores under one key, in bytes: 5 TiB.
	maxObject = 5 << 40
)

// Put implements target.Store. An object that fits into one part of 16 MiB is
// one request, unless its size is unknown and it fills the part. The parts of a larger one are sent several at a time, out of at
// most 64 MiB of memory: what is larger than 156 GiB has larger parts, of which
// one is held, and may not be of unknown size. The bytes are checked before the
// server makes them an object; an upload that fails is aborted, parts and all,
// also when ctx is over, unless opts.Resume says to keep it. The bucket is
// created where it is missing and these credentials may.
func (s *Store) Put(ctx context.Context, id cordon.TargetID, r io.Reader, opts target.PutOptions) (target.Info, error) {
	const op = "put target"
	if opts.Size > maxObject {
		return target.Info{}, &cordon.Error{Kind: cordon.TargetTooLarge, Op: op, Name: id.String(), Err: fmt.Errorf("it has %d bytes; S3 stores at most %d in an object", opts.Size, int64(maxObject)), Fix: "upload less"}
	}
	v, err := verify.New(ctx, r, id.String(), opts)
	if err != nil {
		return target.Info{}, err
	}
	how := minio.PutObjectOptions{ContentType: contentType}
	if d := v.Want().SHA256; d != "" {
		how.UserMetadata = map[string]string{digestMeta: d}
	}
	etag, continued, err := s.upload(ctx, s.target(id), v, how, nil)
	if err != nil {
		if v.Err() != nil {
			return target.Info{}, &cordon.Error{Op: op, Name: id.String(), Err: v.Err()} // not the store's fault: the kind is the reader's
		}
		return target.Info{}, s.failure(ctx, op, id.String(), s.bucket, key(id), err)
	}
	if continued {
		if etag, err = s.restate(ctx, id, etag, v.Want().SHA256); err != nil {
			return target.Info{}, s.failure(ctx, op, id.String(), s.bucket, key(id), err)
		}
	}
	// Only a HEAD tells the time.
	if o, err := s.core.StatObject(ctx, s.bucket, key(id), minio.StatObjectOptions{}); err == nil && sameETag(o.ETag, etag) {
		if info, err := s.info(op, s.target(id), o); err == nil {
			return info, nil
		}
	}
	return target.Info{ID: id, Size: v.N(), ETag: etag, SHA256: v.Want().SHA256}, nil
}

// upload stores what v yields, in one request if it fits into one part, and
// returns its ETag, and whether another Put had begun the upload. only, if not
// nil, is on what condition.
func (s *Store) upload(ctx context.Context, at place, v *verify.Reader, opts minio.PutObjectOptions, only *condition) (etag string, continued bool, err error) {
	part := make([]byte, partSize(v.Want().Size, s.part))
	n, last, err := fill(part, v)
	if err != nil {
		return "", false, err
	}
	if !last {
		return s.uploadParts(ctx, at, v, part, opts, only)
	}
	opts.DisableMultipart = true
	sent := account{sent: v.Want().Sent}
	err = s.creatingBucket(ctx, at.bucket, func() error {
		return s.insist(ctx, at, func() error {
			return only.with(opts, func(opts minio.PutObjectOptions) error {
				if n == 0 {
					up, err := putNothing(ctx, s.once, at.bucket, at.key, opts)
					etag = up.ETag
					return err
				}
				o := newOutgoing(part[:n], func(from, to int) { sent.add(to - from) })
				up, err := s.once.Client.PutObject(ctx, at.bucket, at.key, o, int64(n), opts)
				o.end(err == nil)
				etag = up.ETag
				return err
			})
		})
	})
	return etag, false, err
}

// putNothing stores an object without a byte. Its body is signed as a whole: Ceph 16
// refuses one that is signed in chunks, of which there are none.
func putNothing(ctx context.Context, core *minio.Core, bucket, key string, opts minio.PutObjectOptions) (minio.UploadInfo, error) {
	const ofNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256
	opts.DisableContentSha256 = true
	return core.PutObject(ctx, bucket, key, bytes.NewReader(nil), 0, "", ofNothing, opts)
}

// fill reads part full. last says that v is at its end, which after an exactly
// full part only the next call may notice.
func fill(part []byte, v *verify.Reader) (n int, last bool, err error) {
	n, err = io.ReadFull(v, part)
	if verr := v.Err(); verr != nil { // asked first: a reader may itself fail with io.ErrUnexpectedEOF
		return n, false, verr
	}
	return n, err == io.EOF || err == io.ErrUnexpectedEOF, nil
}

// partSize returns how much to hold in memory of an upload of that many bytes,
// or of unknown size where it is negative, in parts of at least that many.
func partSize(size, least int64) int64 {
	if size < 0 {
		return least
	}
	if size <= least {
		return size + 1 // one more byte, so that the end is noticed in the first part
	}
	perPart := (size + maxParts - 1) / maxParts
	return max(least, (perPart+(1<<20)-1)>>20<<20) // whole MiB
}

// creatingBucket calls f, and once more after making the bucket if f failed for
// want of it.
func (s *Store) creatingBucket(ctx context.Context, bucket string, f func() error) error {
	err := f()
	if minio.ToErrorResponse(err).Code != minio.NoSuchBucket {
		return err
	}
	err = s.core.MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: s.region})
	switch minio.ToErrorResponse(err).Code {
	case "BucketAlreadyOwnedByYou", "BucketAlreadyExists": // somebody was quicker
		err = nil
	}
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "Created a bucket", "endpoint", s.url, "bucket", bucket)
	return f()
}
