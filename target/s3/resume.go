package s3

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// pageSize is how much is asked for in one listing: as much as S3 allows.
const pageSize = 1000

// unfinished returns the newest unfinished upload of an object that has parts,
// and these by their numbers; "" where there is none or where these credentials,
// or this server, do not tell. It removes older ones once nobody can be at work
// on them.
func (s *Store) unfinished(ctx context.Context, at place) (upload string, parts map[int]minio.ObjectPart, err error) {
	uploads, err := s.uploads(ctx, at)
	if err != nil {
		if minio.ToErrorResponse(err).Code == minio.NoSuchBucket {
			return "", nil, nil
		}
		return "", nil, s.untold(ctx, at, err)
	}
	slices.SortFunc(uploads, func(a, b minio.ObjectMultipartInfo) int { return b.Initiated.Compare(a.Initiated) })
	for _, u := range uploads {
		if upload == "" {
			if parts, err = s.parts(ctx, at, u.UploadID); err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchUpload {
				return "", nil, s.untold(ctx, at, err)
			}
			if len(parts) > 0 {
				upload = u.UploadID
				continue
			}
		}
		if time.Since(u.Initiated) > s.limits.stale {
			s.abort(ctx, at, u.UploadID)
		}
	}
	if upload == "" {
		return "", nil, nil
	}
	s.log.InfoContext(ctx, "Continuing an upload that broke off", "bucket", at.bucket, at.what, at.name, "upload", upload, "parts", len(parts))
	return upload, parts, nil
}

// untold returns err, which a listing failed with, or nil where the store will
// never tell what is unfinished: then an upload just begins afresh.
func (s *Store) untold(ctx context.Context, at place, err error) error {
	status := minio.ToErrorResponse(err).StatusCode
	if status != 501 && (status/100 != 4 || transient(err)) {
		return err
	}
	s.log.InfoContext(ctx, "The store does not list unfinished uploads: beginning afresh", "bucket", at.bucket, at.what, at.name, "error", err)
	return nil
}

// uploads lists the unfinished uploads of an object.
func (s *Store) uploads(ctx context.Context, at place) (all []minio.ObjectMultipartInfo, err error) {
	var atKey, atUpload string
	for {
		page, err := s.core.ListMultipartUploads(ctx, at.bucket, at.key, atKey, atUpload, "", pageSize)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Uploads {
			if u.Key == at.key { // others may begin with it
				all = append(all, u)
			}
		}
		if !page.IsTruncated || page.NextKeyMarker == atKey && page.NextUploadIDMarker == atUpload {
			return all, nil
		}
		atKey, atUpload = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

// parts lists the parts of an unfinished upload.
func (s *Store) parts(ctx context.Context, at place, upload string) (map[int]minio.ObjectPart, error) {
	all := map[int]minio.ObjectPart{}
	for marker := 0; ; {
		page, err := s.core.ListObjectParts(ctx, at.bucket, at.key, upload, marker, pageSize)
		if err != nil {
			return nil, err
		}
		for _, p := range page.ObjectParts {
			p.ETag = strings.Trim(p.ETag, `"`)
			all[p.PartNumber] = p
		}
		if !page.IsTruncated || page.NextPartNumberMarker <= marker {
			return all, nil
		}
		marker = page.NextPartNumberMarker
	}
}

// abort removes an unfinished upload, parts and all, also when ctx is over.
func (s *Store) abort(ctx context.Context, at place, upload string) {
	ctx, cancel := afterTheEnd(ctx)
	defer cancel()
	err := s.core.AbortMultipartUpload(ctx, at.bucket, at.key, upload)
	if err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchUpload {
		s.log.WarnContext(ctx, "Parts of a failed upload stay in the store until its lifecycle rules remove them", "bucket", at.bucket, "key", at.key, "upload", upload, "error", err)
	}
}
