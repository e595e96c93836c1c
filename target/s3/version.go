package s3

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// version is one version of an object, which is being read.
type version struct {
	store    *Store
	at       place
	info     target.Info
	patience patience
	warned   atomic.Bool // that it broke off
}

// get asks once for the bytes from from up to to. More than those may come.
func (v *version) get(ctx context.Context, from, to int64) (io.ReadCloser, error) {
	var opts minio.GetObjectOptions
	ifMatch(&opts, v.info.ETag)
	if from > 0 || to < v.info.Size {
		opts.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
	}
	body, o, header, err := v.store.once.GetObject(ctx, v.at.bucket, v.at.key, opts)
	if minio.ToErrorResponse(err).StatusCode == 412 {
		return nil, v.at.replaced(v.info.ETag)
	}
	if err != nil {
		return nil, err
	}
	if !sameETag(o.ETag, v.info.ETag) {
		err = v.at.replaced(v.info.ETag)
	} else if cr := header.Get("Content-Range"); cr != "" || from > 0 { // else it begins where it is to, and ends too early at worst
		if start, size, ok := contentRange(cr); !ok || start != from || size != v.info.Size {
			err = &cordon.Error{
				Kind: cordon.StorageUnavailable,
				Op:   "ask for a part",
				Err:  fmt.Errorf("the server at %s does not send parts of objects: asked for the bytes from %d of %d it sends %q", v.store.url, from, v.info.Size, brief(cr)),
				Fix:  "check for a proxy that drops the Range header",
			}
		}
	}
	if err != nil {
		body.Close()
		return nil, err
	}
	return body, nil
}

// broken returns the error of a read that is over after n bytes because of err.
func (v *version) broken(ctx context.Context, n int64, err error) error {
	if ctx.Err() == nil && target.IsReplaced(err) {
		return err
	}
	e := v.store.failure(ctx, "read "+v.at.what, v.at.name, v.at.bucket, v.at.key, err)
	if ctx.Err() == nil {
		e.Err = fmt.Errorf("after %d of %d bytes: %w", n, v.info.Size, e.Err)
	}
	return e
}

// contentRange reads the header "bytes start-end/size".
func contentRange(s string) (start, size int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	first, rest, ok1 := strings.Cut(s, "-")
	_, total, ok2 := strings.Cut(rest, "/")
	start, err1 := strconv.ParseInt(first, 10, 64)
	size, err2 := strconv.ParseInt(total, 10, 64)
	return start, size, ok && ok1 && ok2 && err1 == nil && err2 == nil && 0 <= start && start < size
}
