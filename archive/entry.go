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
	body     io.Reader // regular: valid until the next call of next, unless it is apart
	apart    bool      // regular: body may be read at any time, by any goroutine
}

// entries yields the members of an archive in their order.
type entries interface {
	// next returns the following entry, or io.EOF after the last one, once the
	// end of the archive was found to be in order. Errors may be those of a
	// decoder; the caller gives them their kind.
	next() (*entry, error)

	// close frees what the decoder holds. No entry is valid afterwards.
	close()
}
