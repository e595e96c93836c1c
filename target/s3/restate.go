package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
)

// maxCopy is the most that S3 copies in one request, in bytes: 5 GiB.
const maxCopy = 5 << 30

// restate gives the object etag, whose upload was begun by another Put, the
// digest that this one stated; for metadata is what an upload begins with, and
// which it has shows only once it is an object. It returns the object's ETag then,
// which a copy may change. An object whose digest would stay a wrong one is
// removed: whoever fetched it would refuse every byte. One without a digest is
// right as it is.
func (s *Store) restate(ctx context.Context, id cordon.TargetID, etag, digest string) (string, error) {
	var o minio.ObjectInfo
	err := s.persist(ctx, s.target(id), 1, func() (err error) {
		o, err = s.core.StatObject(ctx, s.bucket, key(id), minio.StatObjectOptions{})
		return err
	})
	if err != nil {
		return "", err
	}
	if !sameETag(o.ETag, etag) {
		return etag, nil // it has been replaced already
	}
	info, err := s.info("look at target", s.target(id), o)
	if err != nil || info.SHA256 == "" || info.SHA256 == digest {
		return etag, err
	}
	err = errors.New("it is too large to be copied")
	if info.Size <= maxCopy {
		var up minio.UploadInfo
		if up, err = s.copyOver(ctx, id, etag, digest); err == nil {
			return up.ETag, nil
		}
	}
	s.log.WarnContext(ctx, "A continued upload has the digest of another one and is removed", "target_id", id.String(), "bucket", s.bucket, "error", err)
	ctx, cancel := afterTheEnd(ctx)
	defer cancel()
	if rerr := s.core.RemoveObject(ctx, s.bucket, key(id), minio.RemoveObjectOptions{}); rerr != nil {
		return "", rerr
	}
	return "", &cordon.Error{
		Kind: cordon.Busy,
		Op:   "continue the upload of",
		Name: id.String(),
		Err:  fmt.Errorf("it was begun with the digest of other bytes, which cannot be replaced (%w); what was joined is removed", err),
		Fix:  "put it again",
	}
}

// copyOver copies the object etag onto itself with another digest.
func (s *Store) copyOver(ctx context.Context, id cordon.TargetID, etag, digest string) (minio.UploadInfo, error) {
	dst := minio.CopyDestOptions{Bucket: s.bucket, Object: key(id), ReplaceMetadata: true, ContentType: contentType}
	if digest != "" {
		dst.UserMetadata = map[string]string{digestMeta: digest}
	}
	src := minio.CopySrcOptions{Bucket: s.bucket, Object: key(id)}
	if !strings.HasPrefix(etag, weak) {
		src.MatchETag = etag
	}
	return s.core.Client.CopyObject(ctx, dst, src)
}
