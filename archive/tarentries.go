package archive

import (
	"archive/tar"
	"errors"
	"io"
	"strings"
)

// tarEntries reads a tar archive. Old (v7), POSIX, PAX and GNU headers are
// understood, sparse files of all kinds too.
type tarEntries struct {
	tar    *tar.Reader
	stream *stream
	from   decoded
	free   func()
	limits Limits
	buf    []byte
}

// openTar reads the archive that src holds, compressed as c says.
func openTar(src *source, c compression, l Limits, buf []byte) (*tarEntries, error) {
	most := src.size // what is not compressed has no ratio
	if c != uncompressed {
		most = l.unpacked(src.size)
	}
	t := &tarEntries{limits: l, buf: buf, free: func() {}}
	switch c {
	case zstandard:
		t.from = readFrames(src.section(0, src.size), l.DecoderMemory)
	case xzipped:
		t.from = readBlocks(src, l.DecoderMemory)
	default:
		r, free, err := decompress(src.section(0, src.size), c, l.DecoderMemory, false)
		if err != nil {
			return nil, err
		}
		t.from, t.free = readAhead(r), free
	}
	t.stream = newStream(src, t.from, most)
	t.tar = tar.NewReader(t.stream)
	return t, nil
}

// decoded is the content of a compressed file, decoded ahead by goroutines that
// close ends.
type decoded interface {
	io.Reader
	close()
}

func (t *tarEntries) close() {
	t.from.close()
	t.free()
}

func (t *tarEntries) next() (*entry, error) {
	for {
		// The caller has read the body of the entry before, so here the next
		// header begins, after padding.
		header := (t.stream.pos + tarBlock - 1) / tarBlock * tarBlock
		h, err := t.tar.Next()
		if errors.Is(err, tar.ErrInsecurePath) {
			err = nil // a setting of the process; names are checked by this package
		}
		if err == io.EOF {
			// The tar reader takes the end of the bytes for the end of the archive,
			// but writers mark it by zero blocks: without one, it was cut.
			if t.stream.pos < header+tarBlock || !t.stream.zero {
				return nil, io.ErrUnexpectedEOF
			}
			if err := t.stream.finish(t.buf); err != nil {
				return nil, err
			}
			return nil, io.EOF
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			if err := checkGlobal(h); err != nil {
				return nil, err
			}
			continue
		}
		if h.Typeflag == gnuLabel {
			if h.Size != 0 {
				return nil, reject(h.Name, "the archive's label has content")
			}
			continue
		}
		e, err := t.entry(h)
		if err != nil {
			return nil, refusedEntry{err}
		}
		return e, nil
	}
}

// gnuLabel is the type of the entry that "tar -V" begins an archive with: its
// name is the archive's, and it makes nothing.
const gnuLabel = 'V'

// checkGlobal refuses PAX records that would apply to all later entries and
// that tools disagree about. Comments, as git writes them, are fine.
func checkGlobal(h *tar.Header) error {
	for k := range h.PAXRecords {
		if k == "path" || k == "linkpath" || k == "size" || strings.HasPrefix(k, "GNU.sparse.") {
			return reject("", "a global header sets %q for every entry", k)
		}
	}
	return nil
}

// tarTypes names the types of entry that are refused.
var tarTypes = map[byte]string{
	tar.TypeChar:  "a character device",
	tar.TypeBlock: "a block device",
	tar.TypeFifo:  "a FIFO",
}

func (t *tarEntries) entry(h *tar.Header) (*entry, error) {
	n, err := parseName(h.Name, t.limits)
	if err != nil {
		return nil, err
	}
	e := &entry{
		name:     n,
		spelling: h.Name,
		exec:     h.Mode&0o100 != 0,
		modified: h.ModTime,
		drops:    droppedBits(h.Mode),
	}
	e.drops = append(e.drops, droppedRecords(h)...)
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		e.kind, e.size, e.body = regular, h.Size, t.tar
		e.sparse = h.Typeflag == tar.TypeGNUSparse || isPAXSparse(h)
		if n.directory {
			if h.Size != 0 {
				return nil, reject(h.Name, "the name is a directory's, but the entry has content")
			}
			e.kind = directory // how old archives, without a type for it, say so
		}
	case tar.TypeDir:
		e.kind = directory
	case tar.TypeSymlink:
		e.kind, e.target = symlink, h.Linkname
	case tar.TypeLink:
		e.kind, e.target = hardLink, h.Linkname
	default:
		what, ok := tarTypes[h.Typeflag]
		if !ok {
			return nil, reject(h.Name, "the entry has the unknown type %q", h.Typeflag)
		}
		return nil, reject(h.Name, "the entry is %s", what)
	}
	return e, nil
}

func isPAXSparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// droppedRecords returns what PAX records hold that is not kept, for people.
func droppedRecords(h *tar.Header) (drops []string) {
	var lists, attributes bool
	for k := range h.PAXRecords {
		lists = lists || strings.HasPrefix(k, "SCHILY.acl.")
		attributes = attributes || strings.HasPrefix(k, "SCHILY.xattr.") || strings.HasPrefix(k, "LIBARCHIVE.xattr.") || strings.HasPrefix(k, "RHT.security.")
	}
	if lists {
		drops = append(drops, "access control list")
	}
	if attributes {
		drops = append(drops, "extended attributes")
	}
	return drops
}
