package s3

import (
	"context"
	"io"
	"os"
	"sync"
	"time"
)

// maxBuffered is how much memory one fetch takes for bytes, at most: 32 MiB, what
// eight streams need of parts of the least size. A worker's is bounded by that
// times its activities.
const maxBuffered = 32 << 20

// fetch reads one version of a large object by several GETs at once and yields
// its bytes in order. Parts begin in the order of the object, each with room for
// all of it, so that the one whose bytes are due next never waits for room.
type fetch struct {
	ctx   context.Context
	v     *version
	first *part // in which Open's own request is under way
	wg    sync.WaitGroup
	stop  func() bool // stops watching ctx

	mu      sync.Mutex
	bytes   *sync.Cond // more bytes to read, or the end
	room    *sync.Cond // more room for parts, or the end
	parts   []*part    // begun and not read to their ends, in order
	next    int64      // where the next part begins
	held    int64      // bytes of parts that are begun and not read
	tune    tuner
	running int           // streams
	waiting time.Time     // since when Read waits, where it does
	waited  time.Duration // that the tuner has not been told of
	err     error         // of whichever stream failed first, or of ctx
}

// newFetch returns the bytes of v, the first of which are those of body. Streams
// start with the first Read.
func newFetch(ctx context.Context, v *version, body io.ReadCloser) *fetch {
	f := &fetch{ctx: ctx, v: v, next: firstPart, held: firstPart}
	f.bytes, f.room = sync.NewCond(&f.mu), sync.NewCond(&f.mu)
	f.first = &part{seg: newSegment(ctx, v, 0, firstPart, body), size: firstPart}
	f.parts = []*part{f.first}
	return f
}

// Read is called by one goroutine at a time.
func (f *fetch) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop == nil && f.err == nil {
		f.start()
	}
	for f.err == nil {
		if len(f.parts) == 0 && f.next == f.v.info.Size {
			return 0, io.EOF
		}
		if len(f.parts) > 0 {
			if b := f.parts[0].ready(); b != nil {
				return f.copy(p, b), nil
			}
		}
		f.waiting = time.Now()
		f.bytes.Wait()
		f.waited += time.Since(f.waiting)
		f.waiting = time.Time{}
	}
	return 0, f.err
}

// copy copies of b, which is ready in the first part. Streams go on meanwhile.
func (f *fetch) copy(p, b []byte) int {
	f.mu.Unlock()
	n := copy(p, b)
	f.mu.Lock()
	head := f.parts[0]
	head.took(n)
	f.held -= int64(n)
	if head.read == head.size {
		f.parts = f.parts[1:]
		f.room.Broadcast()
	} else if head.read%blockSize == 0 {
		f.room.Broadcast()
	}
	return n
}

func (f *fetch) start() {
	f.tune = newTuner(time.Now())
	f.stop = context.AfterFunc(f.ctx, func() { f.fail(f.ctx.Err()) })
	f.stream(f.first)
	for f.running < f.tune.streams {
		f.stream(nil)
	}
}

// stream starts a stream, which begins with p unless that is nil.
func (f *fetch) stream(p *part) {
	f.running++
	f.wg.Go(func() {
		for {
			if p == nil {
				if p = f.begin(); p == nil {
					return
				}
			}
			if err := f.fill(p); err != nil {
				f.fail(err)
				return
			}
			p = nil
		}
	})
}

// begin waits until there is room for the next part and returns it, or nil where
// the stream that asks has nothing more to do.
func (f *fetch) begin() *part {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.err == nil && f.next < f.v.info.Size && f.running <= f.tune.streams {
		size := min(f.tune.part(time.Now()), f.v.info.Size-f.next)
		// As many parts may wait as are being fetched: a reader that is slower than
		// the network needs no more, and keeps no more memory busy. Of the first
		// part a block may be held of which only a byte is left to read.
		if len(f.parts) < 2*f.tune.streams && f.held+size <= maxBuffered-blockSize {
			p := &part{seg: newSegment(f.ctx, f.v, f.next, f.next+size, nil), size: int(size)}
			f.parts = append(f.parts, p)
			f.next += size
			f.held += size
			return p
		}
		f.room.Wait()
	}
	f.running--
	return nil
}

// fill reads p's segment into it.
func (f *fetch) fill(p *part) error {
	f.mu.Lock()
	hole := p.hole()
	f.mu.Unlock()
	for hole != nil {
		n, err := p.seg.Read(hole)
		if err != nil {
			return err
		}
		f.mu.Lock()
		p.filled += n
		hole = p.hole()
		if p == f.parts[0] {
			f.bytes.Signal()
		}
		if f.measure(n) {
			f.stream(nil)
		}
		f.mu.Unlock()
	}
	return nil
}

// measure tells the tuner of n bytes that arrived, and of how the reader is.
func (f *fetch) measure(n int) (grow bool) {
	now := time.Now()
	if !f.waiting.IsZero() {
		f.waited += now.Sub(f.waiting)
		f.waiting = now
	}
	waited := f.waited
	f.waited = 0
	return f.tune.arrived(now, n, waited) && f.next < f.v.info.Size
}

// close ends all streams and waits for them. cancel ends the context, which a
// Read that waits must find over when it wakes: nothing is wrong with the store.
func (f *fetch) close(cancel func()) {
	f.mu.Lock()
	if f.stop != nil {
		f.stop()
	}
	cancel()
	f.end(os.ErrClosed)
	f.mu.Unlock()
	f.wg.Wait()
}

// fail ends all streams and the read. What is under way ends with the context.
func (f *fetch) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end(err)
}

func (f *fetch) end(err error) {
	if f.err == nil {
		f.err = err
	}
	f.bytes.Broadcast()
	f.room.Broadcast()
}
