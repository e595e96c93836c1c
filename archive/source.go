package archive

import (
	"context"
	"io"
)

// source is the object being read. It notices the end of the context at every
// read, counts, and remembers the first error of the object itself, which
// decoders tend to replace by one of their own.
type source struct {
	ctx      context.Context
	r        io.ReaderAt
	size     int64
	consumed int64
	err      error
}

// ReadAt implements io.ReaderAt.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.ReadAt(p, off)
	s.consumed += int64(n)
	if err == io.EOF && off+int64(n) < s.size {
		err = io.ErrUnexpectedEOF // the object is shorter than its owner said
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// section reads n bytes from off on.
func (s *source) section(off, n int64) *io.SectionReader { return io.NewSectionReader(s, off, n) }

// position is how much of the object was consumed, in bytes. Zip files are
// read here and there, and their directory twice: it stops at the size.
func (s *source) position() int64 { return min(s.consumed, s.size) }
