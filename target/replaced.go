package target

import (
	"errors"

	"github.com/cordonlabs/cordon"
)

var errReplaced = errors.New("the object was replaced by another version")

// Replaced returns the error of a read that asked for the version etag of id
// and lost it to another one. Its kind is Busy: the same call is not going to
// succeed, but its caller's is, once it has asked for the version of now.
func Replaced(id cordon.TargetID, etag string) error {
	name := id.String()
	if etag != "" {
		name += " (version " + etag + ")"
	}
	return &cordon.Error{
		Kind: cordon.Busy,
		Op:   "read target",
		Name: name,
		Err:  errReplaced,
		Fix:  "ask again: the next read gets the new version",
	}
}

// IsReplaced reports whether err says that the version of an object that was
// asked for is no longer the stored one.
func IsReplaced(err error) bool { return errors.Is(err, errReplaced) }
