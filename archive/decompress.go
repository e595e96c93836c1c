package archive

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"io"
	"math"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/pierrec/lz4/v4"
)

// readBuffer is how much of the object is read at once, in bytes: enough to
// make the number of reads irrelevant, little enough that cancelling is noticed.
const readBuffer = 64 << 10

// decompress returns the decompressed bytes of r, and a function that frees the
// decoder. Every decoder works on the caller's goroutine only, so that a panic
// in it can be caught, and allocates no dictionary or window above memory
// bytes. A probe looks at the beginning only, and wants it even if a checksum
// is wrong.
func decompress(r io.Reader, c compression, memory int64, probe bool) (io.Reader, func(), error) {
	none := func() {}
	br := bufio.NewReaderSize(r, readBuffer)
	switch c {
	case gzipped:
		z, err := newGzipMembers(br)
		return z, none, err
	case bzipped:
		return bzip2.NewReader(br), none, nil // a block is at most 900 kB by the format
	case xzipped:
		// This decoder reads the dictionary size that each block of each stream
		// declares and refuses it before it allocates; TestXZDictionary watches it.
		z, err := xz.NewReader(br, uint32(min(memory, math.MaxUint32)))
		return z, none, err
	case zstandard:
		limit := uint64(max(memory, zstd.MinWindowSize))
		z, err := zstd.NewReader(br,
			zstd.WithDecoderConcurrency(1), // synchronous: no goroutine of its own
			zstd.WithDecoderLowmem(true),
			zstd.IgnoreChecksum(probe), // else a small frame yields nothing when it is wrong
			zstd.WithDecoderMaxWindow(limit),
			zstd.WithDecoderMaxMemory(limit)) // frames of a single segment have no other window
		if err != nil {
			return nil, none, err
		}
		return z, z.Close, nil
	case lz4Framed:
		z := lz4.NewReader(br)
		err := z.Apply(lz4.ConcurrencyOption(1)) // blocks are at most 8 MiB by the format
		return z, none, err
	}
	return br, none, nil
}

var errTrailing = errors.New("bytes that are not compressed data follow the compressed data")

// gzipMembers reads the members of a gzip file one after the other. Zeros after
// the last one are padding, as tapes and some uploaders add it; anything else
// there is refused, for other tools would see something different.
type gzipMembers struct {
	br *bufio.Reader
	z  *gzip.Reader
}

func newGzipMembers(br *bufio.Reader) (*gzipMembers, error) {
	z, err := gzip.NewReader(br)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &gzipMembers{br, z}, nil
}

func (g *gzipMembers) Read(p []byte) (int, error) {
	for {
		n, err := g.z.Read(p)
		if err != io.EOF {
			return n, err
		}
		if err := g.next(); err != nil || n > 0 {
			return n, err
		}
	}
}

// next goes to the next member; io.EOF means that there is none.
func (g *gzipMembers) next() error {
	first, err := g.br.ReadByte()
	if err != nil {
		return err
	}
	if first != 0 {
		if err := g.br.UnreadByte(); err != nil {
			return err
		}
		if head, err := g.br.Peek(2); err != nil || string(head) != "\x1f\x8b" {
			return errTrailing
		}
		if err := g.z.Reset(g.br); err != nil {
			return err
		}
		g.z.Multistream(false)
		return nil
	}
	for {
		b, err := g.br.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return errTrailing
		}
	}
}
