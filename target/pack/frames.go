package pack

import (
	"context"
	"fmt"
	"hash"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// frameSize is how many bytes of content one frame of an object holds; the last
// has what is left. It is part of what an object is: another size makes other
// bytes of the same content. Frames of 8 MiB cost less than a hundredth of the
// size beside one frame for everything, and need no more of a decoder than the
// format asks of every one.
const frameSize = 8 << 20

// maxFrames bounds how many frames there are at a time, and so the memory: each
// has frameSize bytes of content and room for as many compressed. Together with
// the encoders, of which each has a window of frameSize and its tables, these
// are 85 MiB on two cores, and 200 MiB at most: six cores compress as fast as one
// reads and hashes.
const maxFrames = 8

// frame is a part of the content on its way.
type frame struct {
	raw, packed []byte
	pending     sync.WaitGroup // who still has to read raw
}

func newFrame() *frame {
	const overhead = 64 << 10 // a few bytes for each of 64 blocks, and the frame's own
	return &frame{raw: make([]byte, 0, frameSize), packed: make([]byte, 0, frameSize+overhead)}
}

// kit is what compressing takes. It is kept from one pass over a tree to the
// next, or the garbage of the first would double the memory of the second.
type kit struct {
	// encode appends to dst the frame that holds src. It is safe for concurrent use.
	encode func(src, dst []byte) ([]byte, error)
	frames []*frame // which are not in use
}

// crew returns how many frames may be in the making on this machine, and how many
// goroutines compress them: one frame is being filled, and one written.
func crew() (frames, encoders int) {
	cores := runtime.GOMAXPROCS(0)
	frames = min(cores+2, maxFrames)
	return frames, min(cores, frames-2)
}

// newKit returns the kit of all trees. Of the encoder's levels it has the second:
// it makes a tenth less of source code than the first, in the same time.
func newKit() (*kit, error) {
	_, encoders := crew()
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(frameSize), zstd.WithEncoderCRC(true),
		zstd.WithEncoderConcurrency(encoders), zstd.WithLowerEncoderMem(true)) // else each has room for another window, which a frame never needs
	if err != nil {
		return nil, err
	}
	return &kit{encode: func(src, dst []byte) (_ []byte, err error) {
		defer recoverError(&err)
		return enc.EncodeAll(src, dst), nil
	}}, nil
}

// frames is a writer that compresses what is written to it: to a sequence of
// zstandard frames, each with its size and a checksum, which readers take for one
// object. The frames depend on nothing but the content, so they are made on all
// cores, and written in order; so is the digest of the content, beside them.
// Whoever writes to it must end it with finish.
type frames struct {
	outer context.Context // the caller's
	ctx   context.Context // over as soon as something has failed
	fail  context.CancelCauseFunc
	ends  sync.WaitGroup
	kit   *kit

	next *frame // which is being filled
	room int    // how many frames may still be made
	free chan *frame

	// What is to be done with each frame, in order. All have room for all frames:
	// who sends never waits.
	toHash, toEncode, toWrite chan *frame
}

// newFrames returns a writer that sends the frames to w, and the content to sum
// if that is not nil.
func newFrames(ctx context.Context, k *kit, w io.Writer, sum hash.Hash) *frames {
	n, encoders := crew()
	z := &frames{outer: ctx, kit: k, room: n, free: make(chan *frame, n), toEncode: make(chan *frame, n), toWrite: make(chan *frame, n)}
	z.ctx, z.fail = context.WithCancelCause(ctx)
	for range encoders {
		z.ends.Go(z.encodeAll)
	}
	z.ends.Go(func() { z.writeAll(w) })
	if sum != nil {
		z.toHash = make(chan *frame, n)
		z.ends.Go(func() { z.hashAll(sum) })
	}
	return z
}

func (z *frames) hashAll(sum hash.Hash) {
	for f := range z.toHash {
		sum.Write(f.raw)
		f.pending.Done()
	}
}

func (z *frames) encodeAll() {
	for f := range z.toEncode {
		if z.ctx.Err() == nil {
			var err error
			if f.packed, err = z.kit.encode(f.raw, f.packed[:0]); err != nil {
				z.fail(fmt.Errorf("compress: %w", err))
			}
		}
		f.pending.Done()
	}
}

func (z *frames) writeAll(w io.Writer) {
	const step = 1 << 20 // bytes: a slow reader does not hold up an end for longer
	for f := range z.toWrite {
		f.pending.Wait()
		for b := f.packed; len(b) > 0 && z.ctx.Err() == nil; b = b[min(step, len(b)):] {
			if _, err := w.Write(b[:min(step, len(b))]); err != nil {
				z.fail(err)
			}
		}
		f.raw = f.raw[:0]
		z.free <- f
	}
}

// space returns where to put what comes next, at least one byte; advance says
// how much has come.
func (z *frames) space() ([]byte, error) {
	if z.next != nil && len(z.next.raw) == frameSize {
		z.submit()
	}
	if z.next == nil {
		if err := z.take(); err != nil {
			return nil, err
		}
	}
	return z.next.raw[len(z.next.raw):frameSize], nil
}

func (z *frames) advance(n int) { z.next.raw = z.next.raw[:len(z.next.raw)+n] }

// take makes a free frame the next one.
func (z *frames) take() error {
	if z.ctx.Err() != nil {
		return context.Cause(z.ctx)
	}
	select {
	case z.next = <-z.free:
		return nil
	default:
	}
	if z.room > 0 {
		z.room--
		if last := len(z.kit.frames) - 1; last >= 0 {
			z.next, z.kit.frames = z.kit.frames[last], z.kit.frames[:last]
		} else {
			z.next = newFrame()
		}
		return nil
	}
	select {
	case z.next = <-z.free:
		return nil
	case <-z.ctx.Done():
		return context.Cause(z.ctx)
	}
}

func (z *frames) submit() {
	f := z.next
	z.next = nil
	f.pending.Add(1)
	if z.toHash != nil {
		f.pending.Add(1)
		z.toHash <- f
	}
	z.toEncode <- f
	z.toWrite <- f
}

// Write implements io.Writer.
func (z *frames) Write(p []byte) (n int, err error) {
	for n < len(p) {
		b, err := z.space()
		if err != nil {
			return n, err
		}
		m := copy(b, p[n:])
		z.advance(m)
		n += m
	}
	return n, nil
}

// finish ends the object, or gives it up because of err, and waits until nobody
// works on it. It returns the error that came first.
func (z *frames) finish(err error) error {
	if err != nil {
		z.fail(err)
	}
	if z.next != nil {
		if len(z.next.raw) > 0 {
			z.submit()
		} else {
			z.free <- z.next
		}
	}
	close(z.toEncode)
	close(z.toWrite)
	if z.toHash != nil {
		close(z.toHash)
	}
	z.ends.Wait()
	err = context.Cause(z.ctx)
	if z.outer.Err() != nil && err == context.Cause(z.outer) {
		err = z.outer.Err() // the caller knows its reason, and looks for this one
	}
	z.fail(nil) // ends what watches the context
	close(z.free)
	for f := range z.free {
		z.kit.frames = append(z.kit.frames, f)
	}
	return err
}

// recoverError makes an error of a panic with one, which is how EncodeAll fails,
// having no result for it. What is wrong with the program itself goes on.
func recoverError(err *error) {
	switch r := recover().(type) {
	case nil:
	case runtime.Error:
		panic(r)
	case error:
		*err = r
	default:
		panic(r)
	}
}
