package s3

import (
	"errors"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// place is where an object is, and what people call it.
type place struct {
	bucket, key string
	what        string          // "target" or "blob"
	attribute   string          // of its name in logs
	name        string          // of it, in errors and logs
	id          cordon.TargetID // of a target
}

// target returns the place of a target.
func (s *Store) target(id cordon.TargetID) place {
	return place{bucket: s.bucket, key: key(id), what: "target", attribute: "target_id", name: id.String(), id: id}
}

// blob returns the place of a blob.
func (s *Store) blob(key string) place {
	return place{bucket: s.blobs, key: key, what: "blob", attribute: "blob", name: key}
}

// replaced is the error of a read that lost its version to another one.
func (p place) replaced(etag string) error {
	if p.what == "target" {
		return target.Replaced(p.id, etag)
	}
	return &cordon.Error{Kind: cordon.Busy, Op: "read " + p.what, Name: p.name, Err: errors.New("it was replaced meanwhile"), Fix: "read it again"}
}
