package archive

import (
	"bufio"
	"bytes"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A zstandard file of several frames is decoded by several goroutines, if the
// frames are small enough to be kept whole: those that our own uploads, and
// pzstd, make. Three decode faster than files can be made; with four frames
// under way, none of them more than 8 MiB in either form, 64 MiB are needed at
// the most.
const (
	maxFrame      = 8 << 20
	frameDecoders = 3
	framesAtOnce  = frameDecoders + 1
)

// frames decodes a zstandard file. From the first frame on that is too large, or
// does not say how large it is, one goroutine decodes what is left as a stream.
// It implements io.Reader for one goroutine.
type frames struct {
	memory int64
	queue  chan *frame // in the order of the file
	spare  chan *frame
	work   chan *frame
	stop   chan struct{}
	wg     sync.WaitGroup

	cur  *frame // what Read has of queue
	rest []byte
}

// frame is a frame, or what comes after the last one that is kept whole.
type frame struct {
	packed  []byte
	content []byte
	size    int           // of content, as the frame says
	ready   chan struct{} // content or err is there

	err  error
	tail *aheadReader // of the stream, with what frees its decoder
	free func()
}

// readFrames starts decoding r. No decoder allocates a window above memory bytes.
func readFrames(r io.Reader, memory int64) *frames {
	f := &frames{
		memory: memory,
		queue:  make(chan *frame, framesAtOnce+1), // the last one is no frame
		spare:  make(chan *frame, framesAtOnce),
		work:   make(chan *frame, framesAtOnce),
		stop:   make(chan struct{}),
	}
	for range framesAtOnce {
		f.spare <- &frame{ready: make(chan struct{}, 1)}
	}
	f.wg.Go(func() {
		defer close(f.work)
		f.queue <- f.split(bufio.NewReaderSize(r, readBuffer))
	})
	for range min(frameDecoders, runtime.GOMAXPROCS(0)) {
		f.wg.Go(f.decode)
	}
	return f
}

// split hands out frames, and returns what comes after them.
func (f *frames) split(br *bufio.Reader) *frame {
	for {
		size, ok, err := f.next(br)
		if err != nil {
			return &frame{err: err}
		}
		if !ok {
			return f.stream(br)
		}
		var fr *frame
		select {
		case fr = <-f.spare:
		case <-f.stop:
			return &frame{err: io.ErrUnexpectedEOF} // nobody reads it
		}
		fr.packed, ok, err = readFrame(br, fr.packed[:0])
		if err != nil {
			return &frame{err: noEOF(err)}
		}
		if !ok {
			return f.stream(io.MultiReader(bytes.NewReader(fr.packed), br))
		}
		fr.size = size
		f.queue <- fr
		f.work <- fr
	}
}

// next looks at the header of the frame that comes next, and says whether it may
// be kept whole, and the size of its content. io.EOF is the end of the file.
// What is no frame is the stream's to judge.
func (f *frames) next(br *bufio.Reader) (size int, ok bool, err error) {
	for {
		head, err := br.Peek(zstd.HeaderMaxSize)
		if len(head) == 0 {
			return 0, false, err
		}
		var h zstd.Header
		if h.Decode(head) != nil {
			return 0, false, nil
		}
		if !h.Skippable {
			return int(h.FrameContentSize), h.HasFCS && h.FrameContentSize <= uint64(min(maxFrame, f.memory)), nil
		}
		if _, err := io.CopyN(io.Discard, br, int64(h.HeaderSize)+int64(h.SkippableSize)); err != nil {
			return 0, false, noEOF(err)
		}
	}
}

// readFrame appends the frame that comes next to b, or says that it is longer
// than it may be: then b holds its beginning. RFC 8878, section 3.1.1.
func readFrame(br *bufio.Reader, b []byte) (_ []byte, ok bool, err error) {
	head, _ := br.Peek(zstd.HeaderMaxSize) // next has seen it
	var h zstd.Header
	if err := h.Decode(head); err != nil {
		return b, false, err
	}
	const blockHeader, checksum, repeatedByte = 3, 4, 1
	if b, err = take(br, b, h.HeaderSize); err != nil {
		return b, false, err
	}
	for last := false; !last; {
		if b, err = take(br, b, blockHeader); err != nil {
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
		if b, err = take(br, b, n); err != nil {
			return b, false, err
		}
	}
	if h.HasCheckSum {
		if b, err = take(br, b, checksum); err != nil {
			return b, false, err
		}
	}
	return b, true, nil
}

// take appends the next n bytes to b.
func take(br *bufio.Reader, b []byte, n int) ([]byte, error) {
	at := len(b)
	if cap(b)-at < n {
		b = append(make([]byte, 0, min(max(2*cap(b), at+n, readBuffer), max(maxFrame, at+n))), b...)
	}
	b = b[:at+n]
	_, err := io.ReadFull(br, b[at:])
	return b, err
}

// stream decodes what r yields as one stream.
func (f *frames) stream(r io.Reader) *frame {
	z, free, err := decompress(r, zstandard, f.memory, false)
	if err != nil {
		return &frame{err: err}
	}
	return &frame{tail: readAhead(z), free: free}
}

func (f *frames) decode() {
	z, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1), // a goroutine of its own could not be guarded
		zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(uint64(max(f.memory, zstd.MinWindowSize))))
	for fr := range f.work {
		fr.err = err
		if err == nil {
			fr.err = guarded(func() error {
				if cap(fr.content) < fr.size {
					fr.content = make([]byte, 0, fr.size)
				}
				content, err := z.DecodeAll(fr.packed, fr.content[:0])
				fr.content = content
				return err
			})
		}
		fr.ready <- struct{}{}
	}
	if err == nil {
		z.Close()
	}
}

// Read implements io.Reader. An error stays.
func (f *frames) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		switch {
		case f.cur == nil:
		case f.cur.tail != nil:
			return f.cur.tail.Read(p)
		case f.cur.err != nil:
			return 0, f.cur.err
		default:
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
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// close stops all goroutines and waits for them. What they read from must not
// keep them waiting: the source's context ends first.
func (f *frames) close() {
	close(f.stop)
	f.wg.Wait()
	close(f.queue)
	if f.cur != nil {
		f.cur.freeTail()
	}
	for fr := range f.queue {
		fr.freeTail()
	}
}

func (fr *frame) freeTail() {
	if fr.tail != nil {
		fr.tail.close()
		fr.free()
	}
}
