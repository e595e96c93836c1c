package s3

import (
	"context"
	"io"
	"time"
)

// segment reads a stretch of one version of an object. A body that breaks off is
// asked for again from where it broke: connections are cut, servers are
// restarted, and MinIO hangs up on a reader that pauses for half a minute, as
// one does that waits for room on its disk.
type segment struct {
	ctx      context.Context
	v        *version
	pos, end int64         // of the next byte, and after the last one
	body     io.ReadCloser // from pos on; nil: to be asked for

	failures int       // in a row
	got      int64     // bytes since the last of them
	since    time.Time // what counts as waiting for the server began
	left     time.Time // when Read last returned
}

// newSegment returns the bytes from pos up to end. body is a body that begins at
// pos, or nil.
func newSegment(ctx context.Context, v *version, pos, end int64, body io.ReadCloser) *segment {
	now := time.Now()
	return &segment{ctx: ctx, v: v, pos: pos, end: end, body: body, since: now, left: now}
}

// Read returns an error only when the segment cannot be read on: it is final, or
// transient ones have used up the patience.
func (s *segment) Read(p []byte) (n int, err error) {
	s.since = s.since.Add(time.Since(s.left)) // a reader's pauses are no fault of the server's
	defer func() { s.left = time.Now() }()
	for n == 0 {
		if s.pos == s.end {
			return 0, io.EOF
		}
		if n, err = s.try(p); err == nil {
			continue
		}
		if s.ctx.Err() != nil {
			return n, s.ctx.Err()
		}
		if !transient(err) || s.v.patience.over(s.since) {
			return n, err
		}
		s.failures++
		if !s.v.warned.Swap(true) { // a proxy that sends less than was asked for breaks off all the time
			s.v.store.log.WarnContext(s.ctx, "Download broke off; going on from there", s.v.at.what, s.v.at.name, "at", s.pos, "size", s.v.info.Size, "error", err)
		}
	}
	return n, nil
}

// try reads from the body once, and asks for one where there is none.
func (s *segment) try(p []byte) (n int, err error) {
	if s.body == nil {
		if s.failures > 0 {
			if err := pause(s.ctx, s.failures); err != nil {
				return 0, err
			}
		}
		if s.body, err = s.v.get(s.ctx, s.pos, s.end); err != nil {
			s.body = nil
			return 0, err
		}
	}
	n, err = s.body.Read(p[:min(int64(len(p)), s.end-s.pos)])
	s.arrived(n)
	if s.pos == s.end {
		err = nil // all is here, whatever became of the connection afterwards
		s.drop()
	}
	if err != nil {
		s.drop()
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (s *segment) arrived(n int) {
	s.pos += int64(n)
	s.v.patience.progress(int64(n))
	if s.got += int64(n); s.got >= worthwhile {
		s.got, s.failures, s.since = 0, 0, time.Now()
	}
}

// drop lets go of the body. A connection is used again only when its body came
// to its end; there is nothing to do about an error here.
func (s *segment) drop() {
	s.body.Close()
	s.body = nil
}
