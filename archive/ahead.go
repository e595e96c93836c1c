package archive

import "io"

// A decoder that works ahead holds this much decoded content, in chunks of this
// many bytes: enough to even out that some entries take longer to make than to
// decode and others the other way round, little beside the decoder's own window.
const (
	chunkBytes = 256 << 10
	chunks     = 8
)

// aheadReader reads from another reader on a goroutine of its own, so that decoding
// goes on while entries are made. It implements io.Reader for one goroutine.
type aheadReader struct {
	full  chan chunk
	spare chan []byte
	stop  chan struct{}
	done  chan struct{}

	cur  chunk // what Read has of full
	rest []byte
}

// chunk is some of the content, and the error that came after it.
type chunk struct {
	b   []byte
	err error
}

// readAhead starts reading r. A panic of r becomes an error.
func readAhead(r io.Reader) *aheadReader {
	a := &aheadReader{
		full:  make(chan chunk, chunks),
		spare: make(chan []byte, chunks),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	for range chunks {
		a.spare <- nil // made when it is first needed: most archives are small
	}
	go a.run(r)
	return a
}

func (a *aheadReader) run(r io.Reader) {
	defer close(a.done)
	for size := readBuffer; ; size = chunkBytes {
		var b []byte
		select {
		case b = <-a.spare:
		case <-a.stop:
			return
		}
		if cap(b) < size {
			b = make([]byte, size)
		}
		n, err := fill(b[:size], r)
		select {
		case a.full <- chunk{b[:n], err}:
		case <-a.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// Read implements io.Reader. An error stays.
func (a *aheadReader) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.cur.err != nil {
			return 0, a.cur.err
		}
		if a.cur.b != nil {
			a.spare <- a.cur.b
		}
		a.cur = <-a.full
		a.rest = a.cur.b
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// close stops the goroutine and waits for it. What it reads from must not keep
// it waiting: the source's context ends first.
func (a *aheadReader) close() {
	close(a.stop)
	<-a.done
}
