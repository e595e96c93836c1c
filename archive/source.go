package archive

import (
	"context"
	"io"
	"sync/atomic"
)

// ContextReaderAt is a source whose reads may wait, such as an object that is
// still arriving. ReadAtContext is ReadAt that ends with ctx; where a source has
// it, Extract and Inspect read by it alone.
type ContextReaderAt interface {
	io.ReaderAt
	ReadAtContext(ctx context.Context, p []byte, off int64) (int, error)
}

// source is the object being read. It notices the end of the context at every
// read, counts, and remembers the first error of the object itself, which
// decoders tend to replace by one of their own. It is safe for concurrent use.
type source struct {
	ctx      context.Context // the caller's, which also ends when close is called
	close    context.CancelFunc
	r        io.ReaderAt
	size     int64
	consumed atomic.Int64
	told     func(bytes int64) // of what was consumed, or nil
	failed   atomic.Pointer[error]
}

func newSource(ctx context.Context, r io.ReaderAt, size int64) *source {
	s := &source{r: r, size: size}
	s.ctx, s.close = context.WithCancel(ctx)
	return s
}

// ReadAt implements io.ReaderAt.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if err := s.err(); err != nil {
		return 0, err
	}
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.readAt(p, off)
	s.consumed.Add(int64(n))
	if s.told != nil {
		s.told(s.position())
	}
	if err == io.EOF && off+int64(n) < s.size {
		err = io.ErrUnexpectedEOF // the object is shorter than its owner said
	}
	if err != nil && err != io.EOF && s.ctx.Err() == nil {
		s.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (s *source) readAt(p []byte, off int64) (int, error) {
	if r, ok := s.r.(ContextReaderAt); ok {
		return r.ReadAtContext(s.ctx, p, off)
	}
	return s.r.ReadAt(p, off)
}

// err returns the first error of the object, or nil.
func (s *source) err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// begin counts from here on, and tells progress, which may be nil.
func (s *source) begin(progress func(bytes int64)) {
	s.consumed.Store(0)
	s.told = progress
}

// section reads n bytes from off on.
func (s *source) section(off, n int64) *io.SectionReader { return io.NewSectionReader(s, off, n) }

// position is how much of the object was consumed, in bytes. Zip files are
// read here and there, and their directory twice; an xz file may be begun once
// more: it stops at the size.
func (s *source) position() int64 { return min(s.consumed.Load(), s.size) }
