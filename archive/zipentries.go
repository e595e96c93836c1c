package archive

import (
	"bufio"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Flags and methods of zip entries.
const (
	zipEncrypted       = 1 << 0
	zipHasDescriptor   = 1 << 3
	zipStrongEncrypted = 1 << 6
	zipMasked          = 1 << 13

	zipStored   = 0
	zipDeflated = 8
)

// zipMethods names the compression methods that are refused.
var zipMethods = map[uint16]string{
	1: "shrink", 6: "implode", 9: "deflate64", 12: "bzip2", 14: "LZMA", 19: "LZ77",
	20: "zstd", 93: "zstd", 94: "MP3", 95: "xz", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES encryption",
}

// Systems that make zip entries.
const (
	zipHostFAT    = 0
	zipHostUnix   = 3
	zipHostNTFS   = 10
	zipHostDarwin = 19
)

// zipEntries reads a zip archive as its central directory says. Local headers
// must agree with it, or tools that read only those would see another archive.
type zipEntries struct {
	src     *source
	records *zipRecords
	places  []int64
	limits  Limits
	tools   sync.Pool // of *zipTools
}

// zipTools is what it takes to read a member. Members are read at the same time,
// each by tools of its own.
type zipTools struct {
	in      *bufio.Reader
	inflate io.ReadCloser // made when first needed
}

// openZip reads the central directory of the archive that src holds.
func openZip(src *source, l Limits) (*zipEntries, error) {
	d, err := findZipDirectory(src)
	if err != nil {
		return nil, err
	}
	places, err := zipPlaces(src, d, l)
	if err != nil {
		return nil, err
	}
	return &zipEntries{
		src:     src,
		records: d.records(src),
		places:  places,
		limits:  l,
		tools:   sync.Pool{New: func() any { return &zipTools{in: bufio.NewReaderSize(nil, readBuffer)} }},
	}, nil
}

func (z *zipEntries) close() {}

func (z *zipEntries) next() (*entry, error) {
	m, err := z.records.next()
	if err != nil {
		return nil, err
	}
	i, _ := slices.BinarySearch(z.places, m.offset+1)
	if i == len(z.places) {
		return nil, reject(m.name, "the central directory changed while it was read")
	}
	m.end = z.places[i]
	// The local header has a name of the same length, and may have more.
	if least := int64(zipLocalLen + len(m.name)); m.end-m.offset < least || m.end-m.offset-least < m.packed {
		return nil, reject(m.name, "the entry overlaps with another one")
	}
	e, err := z.entry(m)
	if err != nil {
		return nil, refusedEntry{damaged(m.name, err, 0)}
	}
	return e, nil
}

// The type bits of a Unix mode, as zip's attributes carry them.
const (
	unixType    = 0o170000
	unixSocket  = 0o140000
	unixSymlink = 0o120000
	unixRegular = 0o100000
	unixBlock   = 0o060000
	unixDir     = 0o040000
	unixChar    = 0o020000
	unixFIFO    = 0o010000
)

var unixTypes = map[uint32]string{unixSocket: "a socket", unixBlock: "a block device", unixChar: "a character device", unixFIFO: "a FIFO"}

func (z *zipEntries) entry(m zipMember) (*entry, error) {
	spelled := m.name
	if (m.host == zipHostFAT || m.host == zipHostNTFS) && !strings.Contains(spelled, "/") {
		// Some Windows programs separate by backslashes, against the standard;
		// unzip forgives it under the same condition.
		spelled = strings.ReplaceAll(spelled, `\`, "/")
	}
	n, err := parseName(spelled, z.limits)
	if err != nil {
		return nil, err
	}
	e := &entry{name: n, spelling: m.name, size: m.size, modified: m.modified}
	var mode uint32
	if m.host == zipHostUnix || m.host == zipHostDarwin {
		mode = m.attrs >> 16
	}
	switch mode & unixType {
	case unixDir:
		e.kind = directory
	case unixSymlink:
		e.kind = symlink
		if n.directory {
			return nil, reject(m.name, "the entry is a symbolic link, but its name is a directory's")
		}
	case unixRegular, 0:
		e.kind = regular
		if n.directory {
			e.kind = directory
		}
	default:
		what, ok := unixTypes[mode&unixType]
		if !ok {
			return nil, reject(m.name, "the entry has the unknown type %#o", mode&unixType)
		}
		return nil, reject(m.name, "the entry is %s", what)
	}
	e.exec, e.drops = mode&0o100 != 0, droppedBits(int64(mode))
	body, err := z.open(m)
	if err != nil {
		return nil, err
	}
	switch e.kind {
	case directory:
		if m.size != 0 {
			return nil, reject(m.name, "the name is a directory's, but the entry has content")
		}
	case symlink:
		if m.size > int64(z.limits.PathLen) {
			return nil, tooLarge(m.name, "pathlen", "the link's target has %d bytes; at most %d are allowed", m.size, z.limits.PathLen)
		}
		target, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		e.target = string(target)
	case regular:
		e.body, e.apart = body, true
	}
	return e, nil
}

// open checks m's local header and returns its content.
func (z *zipEntries) open(m zipMember) (io.Reader, error) {
	if m.flags&(zipEncrypted|zipStrongEncrypted|zipMasked) != 0 {
		return nil, reject(m.name, "the entry is encrypted")
	}
	if m.method != zipStored && m.method != zipDeflated {
		what := zipMethods[m.method]
		if what == "" {
			what = fmt.Sprint("unknown method ", m.method)
		}
		return nil, reject(m.name, "the entry is compressed by %s; only stored and deflated entries are read", what)
	}
	if m.method == zipStored && m.packed != m.size {
		return nil, reject(m.name, "the entry is stored, but its two sizes differ")
	}
	data, flags, err := z.localHeader(m)
	if err != nil {
		return nil, err
	}
	return &zipBody{entries: z, member: m, data: data, left: m.size, sum: crc32.NewIEEE(), descriptor: flags&zipHasDescriptor != 0}, nil
}

// localHeader compares m's local header with m and returns where the content
// begins, and the local flags.
func (z *zipEntries) localHeader(m zipMember) (data int64, flags uint16, err error) {
	head := make([]byte, zipLocalLen+len(m.name))
	if _, err := z.src.ReadAt(head, m.offset); err != nil {
		return 0, 0, noEOF(err)
	}
	if string(head[:4]) != zipLocalSig {
		return 0, 0, reject(m.name, "the entry has no local header")
	}
	nameLen, extraLen := int(le.Uint16(head[26:])), int(le.Uint16(head[28:]))
	if nameLen != len(m.name) || string(head[zipLocalLen:]) != m.name {
		return 0, 0, reject(m.name, "the local header has another name")
	}
	flags = le.Uint16(head[6:])
	if method := le.Uint16(head[8:]); method != m.method || flags&(zipEncrypted|zipStrongEncrypted|zipMasked) != 0 {
		return 0, 0, reject(m.name, "the local header says another compression or encryption")
	}
	local := zipMember{
		name:   m.name,
		crc:    le.Uint32(head[14:]),
		packed: int64(le.Uint32(head[18:])),
		size:   int64(le.Uint32(head[22:])),
	}
	data = m.offset + int64(zipLocalLen+nameLen+extraLen)
	if m.end-data < m.packed {
		return 0, 0, reject(m.name, "the entry overlaps with another one")
	}
	if local.packed == 1<<32-1 || local.size == 1<<32-1 {
		extra := make([]byte, extraLen)
		if _, err := z.src.ReadAt(extra, data-int64(extraLen)); err != nil {
			return 0, 0, noEOF(err)
		}
		if err := local.readExtra(extra); err != nil {
			return 0, 0, err
		}
	}
	// With a descriptor, the header was written before these were known, and
	// holds zeros. Some writers fill in what they knew.
	unknown := func(v int64) bool { return flags&zipHasDescriptor != 0 && v == 0 }
	if local.crc != m.crc && !unknown(int64(local.crc)) ||
		local.packed != m.packed && !unknown(local.packed) ||
		local.size != m.size && !unknown(local.size) {
		return 0, 0, reject(m.name, "the local header says other sizes or another checksum")
	}
	return data, flags, nil
}

// zipBody is the content of one entry: exactly the size that the directory
// says, with its checksum, or an error. It takes its tools with the first read
// and gives them back at the end.
type zipBody struct {
	entries    *zipEntries
	member     zipMember
	data       int64 // where the compressed bytes begin
	tools      *zipTools
	r          io.Reader
	left       int64
	sum        hash.Hash32
	descriptor bool // a data descriptor follows the compressed bytes
	done       bool
}

func (b *zipBody) open() error {
	b.tools = b.entries.tools.Get().(*zipTools)
	b.tools.in.Reset(b.entries.src.section(b.data, b.member.packed))
	b.r = b.tools.in
	if b.member.method != zipDeflated {
		return nil
	}
	if b.tools.inflate == nil {
		b.tools.inflate = flate.NewReader(b.tools.in)
	} else if err := b.tools.inflate.(flate.Resetter).Reset(b.tools.in, nil); err != nil {
		return err
	}
	b.r = b.tools.inflate
	return nil
}

// Read implements io.Reader.
func (b *zipBody) Read(p []byte) (n int, err error) {
	if b.done {
		return 0, io.EOF
	}
	if err := b.entries.src.ctx.Err(); err != nil {
		return 0, err
	}
	if b.r == nil {
		if err := b.open(); err != nil {
			return 0, err
		}
	}
	n, err = b.r.Read(p)
	if int64(n) > b.left {
		return 0, reject(b.member.name, "the entry holds more than its size of %d bytes", b.member.size)
	}
	b.left -= int64(n)
	b.sum.Write(p[:n]) // a hash never fails
	if err != io.EOF {
		return n, err
	}
	if b.left > 0 {
		return n, reject(b.member.name, "the entry holds less than its size of %d bytes", b.member.size)
	}
	if b.sum.Sum32() != b.member.crc {
		return n, reject(b.member.name, "the entry's checksum is wrong")
	}
	if err := b.checkDescriptor(); err != nil {
		return n, err
	}
	b.done = true
	b.entries.tools.Put(b.tools)
	return n, io.EOF
}

// checkDescriptor compares what follows the compressed bytes with the directory.
// The signature is optional, and sizes have 32 or 64 bits with nothing to say which.
func (b *zipBody) checkDescriptor() error {
	if !b.descriptor {
		return nil
	}
	const longest = 4 + 4 + 8 + 8 // signature, checksum, two 64-bit sizes
	after := b.data + b.member.packed
	raw := make([]byte, min(longest, b.member.end-after))
	if _, err := b.entries.src.ReadAt(raw, after); err != nil {
		return noEOF(err)
	}
	for _, rest := range [][]byte{raw, []byte(strings.TrimPrefix(string(raw), zipDescriptor))} {
		if len(rest) < 12 || le.Uint32(rest) != b.member.crc {
			continue
		}
		if int64(le.Uint32(rest[4:])) == b.member.packed && int64(le.Uint32(rest[8:])) == b.member.size {
			return nil
		}
		if len(rest) >= 20 && int64(le.Uint64(rest[4:])) == b.member.packed && int64(le.Uint64(rest[12:])) == b.member.size {
			return nil
		}
	}
	return reject(b.member.name, "the entry's data descriptor says other sizes or another checksum")
}
