package archive

import "io"

// tarBlock is the unit of the tar format, in bytes.
const tarBlock = 512

// maxPadding is how many zeros may follow the end of a tar archive, in bytes.
// Writers pad to their record size: 10 KiB as a rule, rarely some MiB. More
// would only keep the decoder busy.
const maxPadding = 64 << 20

// stream is the decompressed bytes of a tar archive. It knows where it is and
// what the last header block was, which the tar reader does not tell and which
// decide whether an archive is whole.
type stream struct {
	src  *source
	r    io.Reader
	pos  int64 // bytes read so far
	most int64 // bytes that may be read; more is a refusal
	zero bool  // the last read of exactly one block got only zeros
}

func newStream(src *source, r io.Reader, most int64) *stream {
	return &stream{src: src, r: r, most: most}
}

// Read implements io.Reader. A read of one block, as tar headers are read, is
// always full, or fails with io.ErrUnexpectedEOF where the stream ends within it.
func (s *stream) Read(p []byte) (n int, err error) {
	if err := s.src.ctx.Err(); err != nil {
		return 0, err // a decoder may yield gigabytes without reading its source again
	}
	if len(p) == tarBlock {
		n, err = io.ReadFull(s.r, p)
	} else {
		n, err = s.r.Read(p)
	}
	s.pos += int64(n)
	if n > 0 {
		s.zero = n == tarBlock && allZero(p[:n])
	}
	if s.pos > s.most {
		return n, tooLarge("", "ratio", "it unpacks to more than %d bytes, out of %d bytes", s.most, s.src.size)
	}
	return n, err
}

// finish reads what follows the end of the archive, so that the decompressor
// checks its own end (checksums, lengths, a cut), and refuses anything but zeros.
func (s *stream) finish(buf []byte) error {
	for padding := int64(0); ; {
		n, err := s.Read(buf)
		if !allZero(buf[:n]) {
			return reject("", "data follows the end of the archive")
		}
		if padding += int64(n); padding > maxPadding {
			return reject("", "more than %d bytes of padding follow the end of the archive", maxPadding)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// allZero reports whether p holds nothing but zeros.
func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
