package s3

import (
	"bytes"
	"io"
	"os"
	"sync"
	"time"
)

// outgoing is the body of one try of a request that sends bytes of an upload. It
// knows how far the bytes have got: on a slow link a part takes minutes.
type outgoing struct {
	moved func(from, to int) // called where the position changes

	mu    sync.Mutex
	bytes *bytes.Reader
	at    int
	last  time.Time // when bytes were taken last
	over  bool
}

func newOutgoing(b []byte, moved func(from, to int)) *outgoing {
	return &outgoing{bytes: bytes.NewReader(b), moved: moved, last: time.Now()}
}

func (o *outgoing) Read(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return 0, os.ErrClosed
	}
	n, err := o.bytes.Read(p)
	if n > 0 {
		o.last = time.Now()
		o.move(o.at + n)
	}
	return n, err
}

// Seek is what minio-go does before it sends.
func (o *outgoing) Seek(offset int64, whence int) (int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at, err := o.bytes.Seek(offset, whence)
	if err == nil && !o.over {
		o.move(int(at))
	}
	return at, err
}

func (o *outgoing) move(to int) {
	if to != o.at {
		o.moved(o.at, to)
		o.at = to
	}
}

// end lets nobody read from here on, and returns when bytes were taken last.
// net/http may go on reading a body for a moment after the request has failed;
// by then the bytes may be others, or on their way again. Where they have not
// arrived, the position goes back to their beginning.
func (o *outgoing) end(arrived bool) (last time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	if !arrived {
		o.move(0)
	}
	return o.last
}

var _ io.ReadSeeker = (*outgoing)(nil)

// account counts the bytes of an upload that have gone out, for whoever put it.
type account struct {
	sent func(bytes int64) // may be nil

	mu    sync.Mutex
	bytes int64
}

func (a *account) add(n int) {
	if a.sent == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bytes += int64(n)
	a.sent(a.bytes)
}
