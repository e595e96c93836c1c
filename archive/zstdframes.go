package archive

import (
	"bufio"
	"bytes"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Frames of a zstandard file are decoded apart if they are small enough to be
// kept whole: those that our own uploads make, and pzstd. With four under way,
// none of them more than 8 MiB in either form, 64 MiB are needed at the most.
const (
	maxFrame     = 8 << 20 // bytes
	framesAtOnce = 4
)

// zstdFrames cuts a zstandard file into its frames (RFC 8878, section 3).
type zstdFrames struct {
	br     *bufio.Reader
	memory int64
}

// readFrames starts decoding r. No decoder allocates a window above memory bytes.
func readFrames(r io.Reader, memory int64) *pieces {
	return readPieces(&zstdFrames{bufio.NewReaderSize(r, readBuffer), memory}, framesAtOnce, 2*maxFrame)
}

func (z *zstdFrames) cut(p *piece) (rest io.Reader, free func(), err error) {
	h, ok, err := z.next()
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return z.stream(z.br)
	}
	p.packed, ok, err = z.take(h, p.packed[:0])
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return z.stream(io.MultiReader(bytes.NewReader(p.packed), z.br))
	}
	p.size = int(h.FrameContentSize)
	return nil, nil, nil
}

// next looks at the header of the frame that comes next, past those that are to
// be skipped, and says whether the frame may be kept whole. io.EOF is the end of
// the file. What is no frame is the stream's to judge.
func (z *zstdFrames) next() (h zstd.Header, ok bool, err error) {
	for {
		head, err := z.br.Peek(zstd.HeaderMaxSize)
		if len(head) == 0 {
			return h, false, err
		}
		if h.Decode(head) != nil {
			return h, false, nil
		}
		if !h.Skippable {
			return h, h.HasFCS && h.FrameContentSize <= uint64(min(maxFrame, z.memory)), nil
		}
		if _, err := io.CopyN(io.Discard, z.br, int64(h.HeaderSize)+int64(h.SkippableSize)); err != nil {
			return h, false, noEOF(err)
		}
	}
}

// take appends the frame that comes next, which h is of, to b, or says that it is
// longer than it may be: then b holds its beginning.
func (z *zstdFrames) take(h zstd.Header, b []byte) (_ []byte, ok bool, err error) {
	const blockHeader, checksum, repeatedByte = 3, 4, 1
	if b, err = take(z.br, b, h.HeaderSize, maxFrame); err != nil {
		return b, false, err
	}
	for last := false; !last; {
		if b, err = take(z.br, b, blockHeader, maxFrame); err != nil {
			return b, false, err
		}
		block := uint32(b[len(b)-3]) | uint32(b[len(b)-2])<<8 | uint32(b[len(b)-1])<<16
		last = block&1 != 0
		n := int(block >> 3)
		if block>>1&3 == repeatedByte {
			n = 1
		}
		if len(b)+n+checksum > maxFrame {
			return b, false, nil
		}
		if b, err = take(z.br, b, n, maxFrame); err != nil {
			return b, false, err
		}
	}
	if h.HasCheckSum {
		if b, err = take(z.br, b, checksum, maxFrame); err != nil {
			return b, false, err
		}
	}
	return b, true, nil
}

// stream decodes what r yields as one stream.
func (z *zstdFrames) stream(r io.Reader) (io.Reader, func(), error) {
	return decompress(r, zstandard, z.memory, false)
}

func (z *zstdFrames) decoder() (func(*piece) error, func(), error) {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1), // a goroutine of its own could not be guarded
		zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(uint64(max(z.memory, zstd.MinWindowSize))))
	if err != nil {
		return nil, nil, err
	}
	decode := func(p *piece) (err error) {
		p.content, err = d.DecodeAll(p.packed, p.content[:0])
		return err
	}
	return decode, d.Close, nil
}
