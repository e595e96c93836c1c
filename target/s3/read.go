package s3

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// Open implements target.Source. It logs that the download begins, in the words
// that operators look for (CONTRACT §6).
//
// The first request asks for the first part of the object. What is not larger is
// read from its answer; of a larger object the rest is fetched by several GETs
// at once, all of the same version. Each goes on from where it broke off for as
// long as something arrives every 45 seconds. Bytes are checked against an ETag
// that is their MD5, where no SHA-256 was stated.
func (s *Store) Open(ctx context.Context, id cordon.TargetID, etag string) (io.ReadCloser, target.Info, error) {
	const op = "open target"
	r, info, err := s.read(ctx, op, s.target(id), etag, slog.LevelInfo)
	if err != nil {
		return nil, target.Info{}, err
	}
	return r, info, nil
}

// read opens an object and logs that at a level.
func (s *Store) read(ctx context.Context, op string, at place, etag string, level slog.Level) (*reader, target.Info, error) {
	ctx, cancel := context.WithCancel(ctx)
	var (
		body   io.ReadCloser
		o      minio.ObjectInfo
		header http.Header
		info   target.Info
	)
	err := s.persist(ctx, at, 1, func() (err error) {
		body, o, header, err = s.first(ctx, at, etag)
		return err
	})
	if err == nil {
		info, err = s.info(op, at, o)
	} else if minio.ToErrorResponse(err).StatusCode == http.StatusPreconditionFailed {
		err = at.replaced(etag)
	} else {
		err = s.failure(ctx, op, at.name, at.bucket, at.key, err)
	}
	if err == nil && etag != "" && !sameETag(info.ETag, etag) {
		err = at.replaced(etag) // a server, or a proxy, that does not know If-Match, or was not told
	}
	if err != nil {
		cancel() // which closes the body, too
		return nil, target.Info{}, err
	}
	s.log.Log(ctx, level, strings.ToUpper(at.what[:1])+at.what[1:]+": downloading from MinIO", at.attribute, at.name, "bucket", at.bucket, "size", info.Size, "etag", info.ETag)
	v := &version{store: s, at: at, info: info, patience: patience{limit: s.limits.patience}}
	r := &reader{ctx: ctx, v: v, sum: newETagSum(at, info, header)}
	if info.Size > firstPart && header.Get("Content-Range") != "" { // ranges can be asked for
		f := newFetch(ctx, v, body)
		r.src, r.close = f, func() { f.close(cancel) }
	} else {
		r.src, r.close = newSegment(ctx, v, 0, info.Size, body), cancel
	}
	return r, info, nil
}

// first asks for the first part of the object. The size in its answer is the
// whole object's. An answer that does not say which part it is may be a part or
// all: then all is asked for, and read as one stream.
func (s *Store) first(ctx context.Context, at place, etag string) (io.ReadCloser, minio.ObjectInfo, http.Header, error) {
	get := func(ranged bool) (io.ReadCloser, minio.ObjectInfo, http.Header, error) {
		var opts minio.GetObjectOptions
		if etag != "" {
			ifMatch(&opts, etag)
		}
		if ranged {
			opts.Set("Range", fmt.Sprintf("bytes=0-%d", firstPart-1))
		}
		return s.core.GetObject(ctx, at.bucket, at.key, opts)
	}
	body, o, header, err := get(true)
	if minio.ToErrorResponse(err).StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return get(false) // ranges of an object without bytes are refused
	}
	if err == nil {
		start, size, ok := contentRange(header.Get("Content-Range"))
		if !ok || start != 0 {
			body.Close()
			return get(false)
		}
		o.Size = size
	}
	return body, o, header, err
}

// reader is an object that is being read.
type reader struct {
	ctx   context.Context
	v     *version
	src   io.Reader // *segment or *fetch
	close func()    // ends ctx and what src has begun
	sum   *etagSum
	n     int64 // bytes read
	err   error // sticky
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	n, err := r.src.Read(p)
	r.n += int64(n)
	r.sum.write(p[:n])
	switch {
	case err == io.EOF:
		if r.err = r.sum.check(); r.err == nil {
			r.err = io.EOF
		}
	case err != nil:
		r.err = r.v.broken(r.ctx, r.n, err)
	}
	return n, r.err
}

// Close ends what is under way and waits for the streams of a large object. It
// may be called while Read waits, which then ends soon with an error that has no
// kind. Ending the context is what closes bodies that are being read.
func (r *reader) Close() error {
	r.close()
	return nil
}
