package s3

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// reader reads the body of one GET, which is of one version of the object.
type reader struct {
	ctx   context.Context
	store *Store
	body  io.ReadCloser
	info  target.Info
	n     int64
	err   error // sticky
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.body.Read(p)
	r.n += int64(n)
	if err == io.EOF && r.n < r.info.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		err = r.broken(err)
	}
	r.err = err
	return n, err
}

// whyBroken is how long a broken read asks for its reason. The answer only
// makes the error better, and the caller waits for it.
const whyBroken = 3 * time.Second

// broken returns the error of a body that ended too early. A server may break
// off a body because the object was replaced under it: then that is the error.
func (r *reader) broken(err error) error {
	if r.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(r.ctx, whyBroken)
		defer cancel()
		o, serr := r.store.core.StatObject(ctx, r.store.bucket, key(r.info.ID), minio.StatObjectOptions{})
		if serr == nil && o.ETag != r.info.ETag {
			return target.Replaced(r.info.ID, r.info.ETag)
		}
	}
	e := r.store.failure(r.ctx, "read target", r.info.ID.String(), r.store.bucket, key(r.info.ID), err)
	if e.Kind != "" {
		e.Kind = cordon.StorageUnavailable
		e.Err = fmt.Errorf("after %d of %d bytes: %w", r.n, r.info.Size, e.Err)
	}
	return e
}

func (r *reader) Close() error { return r.body.Close() }
