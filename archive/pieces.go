package archive

import (
	"io"
	"runtime"
	"sync"
)

// pieces decodes a compressed file whose parts can be decoded apart, by several
// goroutines. From the first part on that cannot, one goroutine decodes what is
// left as a stream. It implements io.Reader for one goroutine.
type pieces struct {
	cutter cutter
	most   int
	queue  chan *piece // in the order of the file
	spare  chan *piece
	work   chan *piece
	stop   chan struct{}
	wg     sync.WaitGroup

	cur  *piece // what Read has of queue
	rest []byte
}

// cutter cuts a compressed file into pieces.
type cutter interface {
	// cut fills p with the piece that comes next. Where that cannot be decoded
	// apart it returns instead a reader of all content that is left, and what frees
	// it. io.EOF says that nothing is left and all was in order.
	cut(p *piece) (rest io.Reader, free func(), err error)
	// decoder returns what makes content of packed, for one goroutine, and what
	// frees it.
	decoder() (decode func(p *piece) error, free func(), err error)
}

// piece is a part of the file, or what comes after the last one.
type piece struct {
	stop    <-chan struct{} // closed when nobody wants content any more
	packed  []byte
	content []byte
	size    int           // of content, as the file says
	ready   chan struct{} // content or err is there

	err  error
	tail *aheadReader // of the stream
	free func()       // frees what tail reads from
}

// pieceDecoders is how many goroutines decode pieces: more decode faster than
// files can be made.
const pieceDecoders = 3

// readPieces starts decoding what c cuts, with at most atOnce pieces in memory,
// of which none keeps buffers of more than most bytes for the next one.
func readPieces(c cutter, atOnce, most int) *pieces {
	f := &pieces{
		cutter: c,
		most:   most,
		queue:  make(chan *piece, atOnce+1), // the last one is no piece
		spare:  make(chan *piece, atOnce),
		work:   make(chan *piece, atOnce),
		stop:   make(chan struct{}),
	}
	for range atOnce {
		f.spare <- &piece{ready: make(chan struct{}, 1), stop: f.stop}
	}
	f.wg.Go(func() {
		defer close(f.work)
		f.queue <- f.split()
	})
	for range min(pieceDecoders, atOnce, runtime.GOMAXPROCS(0)) {
		f.wg.Go(f.decode)
	}
	return f
}

// split hands out pieces, and returns what comes after them.
func (f *pieces) split() *piece {
	for {
		var p *piece
		select {
		case p = <-f.spare:
		case <-f.stop:
			return &piece{err: io.ErrUnexpectedEOF} // nobody reads it
		}
		var rest io.Reader
		var free func()
		err := guarded(func() (err error) {
			rest, free, err = f.cutter.cut(p)
			return err
		})
		if err != nil {
			return &piece{err: err}
		}
		if rest != nil {
			return &piece{tail: readAhead(rest), free: free}
		}
		f.queue <- p
		f.work <- p
	}
}

func (f *pieces) decode() {
	decode, free, err := f.cutter.decoder()
	for p := range f.work {
		p.err = err
		if p.unwanted() {
			p.err = io.ErrUnexpectedEOF // nobody reads it
		} else if err == nil {
			if cap(p.content) < p.size {
				p.content = make([]byte, 0, p.size)
			}
			p.err = guarded(func() error { return decode(p) })
		}
		p.ready <- struct{}{}
	}
	if err == nil {
		free()
	}
}

// Read implements io.Reader. An error stays.
func (f *pieces) Read(b []byte) (int, error) {
	for len(f.rest) == 0 {
		switch {
		case f.cur == nil:
		case f.cur.tail != nil:
			for len(f.spare) > 0 {
				<-f.spare // their memory is not needed any more
			}
			return f.cur.tail.Read(b)
		case f.cur.err != nil:
			return 0, f.cur.err
		default:
			if cap(f.cur.packed)+cap(f.cur.content) > f.most {
				f.cur.packed, f.cur.content = nil, nil
			}
			f.spare <- f.cur
		}
		f.cur = <-f.queue
		if f.cur.ready != nil {
			<-f.cur.ready
			if f.cur.err == nil {
				f.rest = f.cur.content
			}
		}
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// close stops all goroutines and waits for them. What they read from must not
// keep them waiting: the source's context ends first.
func (f *pieces) close() {
	close(f.stop)
	f.wg.Wait()
	close(f.queue)
	if f.cur != nil {
		f.cur.freeTail()
	}
	for p := range f.queue {
		p.freeTail()
	}
}

func (p *piece) unwanted() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

func (p *piece) freeTail() {
	if p.tail != nil {
		p.tail.close()
		p.free()
	}
}

// take appends the next n bytes of r to b, which may grow to most.
func take(r io.Reader, b []byte, n, most int) ([]byte, error) {
	at := len(b)
	if cap(b)-at < n {
		b = append(make([]byte, 0, max(at+n, min(2*cap(b), most), readBuffer)), b...)
	}
	b = b[:at+n]
	_, err := io.ReadFull(r, b[at:])
	return b, noEOF(err)
}
