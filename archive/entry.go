package archive

import (
	"io"
	"time"
)

type entryKind uint8

const (
	directory entryKind = iota
	regular
	symlink
	hardLink
)

// entry is one member of an archive, as both formats can say it.
type entry struct {
	name     name
	spelling string // of the name, for messages
	kind     entryKind
	exec     bool      // regular: the owner may execute it
	sparse   bool      // regular: worth looking for holes
	size     int64     // regular: bytes that body yields, exactly, or it fails
	target   string    // links: as the archive spells it
	modified time.Time // zero where the archive does not say
	drops    []string  // what it has and will not keep, for people
	body     io.Reader // regular: valid until the next call of next, unless it is apart
	apart    bool      // regular: body may be read at any time, by any goroutine
}

// entries yields the members of an archive in their order.
type entries interface {
	// next returns the following entry, or io.EOF after the last one, once the
	// end of the archive was found to be in order. Errors may be those of a
	// decoder; the caller gives them their kind. After a refusedEntry the one
	// that follows may be asked for.
	next() (*entry, error)

	// close frees what the decoder holds. No entry is valid afterwards.
	close()
}

// refusedEntry is the error of an entry that can be told from those around it.
type refusedEntry struct{ err error }

func (e refusedEntry) Error() string { return e.err.Error() }
func (e refusedEntry) Unwrap() error { return e.err }

// droppedBits returns what of a mode's bits is not kept, for people.
func droppedBits(mode int64) (drops []string) {
	for _, b := range [...]struct {
		bit  int64
		what string
	}{{0o4000, "set-user-id"}, {0o2000, "set-group-id"}, {0o1000, "sticky"}} {
		if mode&b.bit != 0 {
			drops = append(drops, b.what)
		}
	}
	return drops
}
