package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon/target"
)

// A body that breaks off is asked for again from where it broke: MinIO hangs up
// on a reader that pauses for half a minute, as one does that waits for room on
// its disk, and a large object is worth more than one attempt. Three breaks
// within 8 MiB of each other are a connection that carries nothing.
const (
	maxBreaks  = 3
	breakReset = 8 << 20 // bytes
)

// reader reads one version of an object, in as many GETs as that takes.
type reader struct {
	ctx    context.Context
	store  *Store
	body   io.ReadCloser
	info   target.Info
	n      int64 // bytes read
	breaks int   // since start
	start  int64 // where the present count of breaks began
	err    error // sticky
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	for {
		n, err := r.body.Read(p)
		r.n += int64(n)
		switch {
		case r.n >= r.info.Size && err != nil:
			r.err = io.EOF // all is here, whatever became of the connection afterwards
		case err == io.EOF:
			r.err = r.resume(io.ErrUnexpectedEOF)
		case err != nil:
			r.err = r.resume(err)
		}
		if n > 0 || r.err != nil {
			return n, r.err
		}
	}
}

// resume goes on after the body broke off because of err. It returns nil, or
// the error of the read.
func (r *reader) resume(err error) error {
	if r.n-r.start >= breakReset {
		r.breaks, r.start = 0, r.n
	}
	if r.breaks++; r.breaks > maxBreaks || r.ctx.Err() != nil {
		return r.broken(err)
	}
	r.store.log.WarnContext(r.ctx, "Download broke off; going on from there", "target", r.info.ID.String(), "at", r.n, "size", r.info.Size, "error", err)
	body, err := r.rest()
	if err != nil {
		return err
	}
	r.body.Close()
	r.body = body
	return nil
}

// rest returns the bytes of the object from r.n on.
func (r *reader) rest() (io.ReadCloser, error) {
	var opts minio.GetObjectOptions
	// Neither fails for an ETag that is not empty and an offset above zero.
	err := opts.SetMatchETag(r.info.ETag)
	if err == nil && r.n > 0 {
		err = opts.SetRange(r.n, 0)
	}
	if err != nil {
		return nil, r.broken(err)
	}
	body, o, header, err := r.store.core.GetObject(r.ctx, r.store.bucket, key(r.info.ID), opts)
	if resp := minio.ToErrorResponse(err); resp.StatusCode == 412 {
		return nil, target.Replaced(r.info.ID, r.info.ETag)
	}
	if err != nil {
		return nil, r.broken(err)
	}
	if o.ETag != r.info.ETag {
		err = target.Replaced(r.info.ID, r.info.ETag)
	} else if r.n > 0 && !strings.HasPrefix(header.Get("Content-Range"), fmt.Sprintf("bytes %d-", r.n)) {
		err = r.broken(errors.New("the server does not send parts of objects"))
	}
	if err != nil {
		body.Close()
		return nil, err
	}
	return body, nil
}

// broken returns the error of a read that is over for good.
func (r *reader) broken(err error) error {
	e := r.store.failure(r.ctx, "read target", r.info.ID.String(), r.store.bucket, key(r.info.ID), err)
	if e.Kind != "" {
		e.Err = fmt.Errorf("after %d of %d bytes: %w", r.n, r.info.Size, e.Err)
	}
	return e
}

func (r *reader) Close() error { return r.body.Close() }
