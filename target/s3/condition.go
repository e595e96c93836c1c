package s3

import (
	"net/http"

	"github.com/minio/minio-go/v7"
)

// condition is that nothing is stored under the key yet. A nil one is none.
//
// AWS (since 2024), MinIO and versitygw decide it as they store the object: of several
// uploads at once one gets through. Ceph 16 looks before it stores. A server that says
// that it does not know the header is asked without it, after another look; one that
// ignores it is not found out. On these three what was there before stays, but of two
// uploads at once the later one replaces the earlier, and both are told that they have
// created it.
type condition struct {
	taken   func() (bool, error) // something is there now
	unknown bool                 // the server does not know the header
}

// with calls f, which stores an object, with opts under the condition.
func (c *condition) with(opts minio.PutObjectOptions, f func(minio.PutObjectOptions) error) error {
	if c == nil {
		return f(opts)
	}
	if !c.unknown {
		conditional := opts
		conditional.SetMatchETagExcept("*")
		err := f(conditional)
		if minio.ToErrorResponse(err).StatusCode != http.StatusNotImplemented {
			return err
		}
		c.unknown = true
	}
	if taken, err := c.taken(); err != nil {
		return err
	} else if taken {
		return minio.ErrorResponse{StatusCode: http.StatusPreconditionFailed, Code: minio.PreconditionFailed, Message: "it is there already"}
	}
	return f(opts)
}
