package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// mixed returns n bytes of text, noise and zeros in turn: blocks of every kind.
func mixed(n int) (content []byte) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for len(content) < n {
		switch rnd.IntN(3) {
		case 0:
			for range 20_000 {
				content = append(content, "the quick brown fox jumps over the lazy dog "[rnd.IntN(40):]...)
			}
		case 1:
			for range 100_000 {
				content = append(content, byte(rnd.Uint32()))
			}
		default:
			content = append(content, make([]byte, 300_000)...)
		}
	}
	return content[:n]
}

func kitOf(t *testing.T) *kit {
	t.Helper()
	k, err := newKit()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// onCores runs the test with that many.
func onCores(t *testing.T, n int) {
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// leavesNoGoroutines fails the test if its end finds more than are there now.
func leavesNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 100 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond) // one that has said it is done may still be on its way out
		}
		stacks := make([]byte, 1<<20)
		t.Errorf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
	})
}

func TestAnObjectIsAFrameForEightMebibytesWhateverTheCoresAndTheWrites(t *testing.T) {
	content := mixed(3*frameSize + 12345)
	onCores(t, 8)
	k := kitOf(t)
	var want []byte
	for rest := content; len(rest) > 0; {
		n := min(frameSize, len(rest))
		frame, err := k.encode(rest[:n], nil)
		if err != nil {
			t.Fatal(err)
		}
		var h zstd.Header
		if err := h.Decode(frame); err != nil || !h.HasFCS || h.FrameContentSize != uint64(n) || !h.HasCheckSum || h.WindowSize > 8<<20 {
			t.Errorf("a frame of %d bytes says %+v, %v", n, h, err)
		}
		want, rest = append(want, frame...), rest[n:]
	}
	for _, c := range []struct{ cores, chunk int }{{1, 512}, {1, 1 << 20}, {2, frameSize}, {3, 777_777}, {8, 32 << 10}, {32, 5 * frameSize}} {
		onCores(t, c.cores)
		var got bytes.Buffer
		sum := sha256.New()
		z := newFrames(t.Context(), k, &got, sum)
		_, err := io.CopyBuffer(struct{ io.Writer }{z}, struct{ io.Reader }{bytes.NewReader(content)}, make([]byte, c.chunk))
		if err := z.finish(err); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%d cores and writes of %d bytes make other bytes", c.cores, c.chunk)
		}
		if whole := sha256.Sum256(content); !bytes.Equal(sum.Sum(nil), whole[:]) {
			t.Errorf("%d cores and writes of %d bytes: the digest is not the content's", c.cores, c.chunk)
		}
	}
}

// TestAnEncoderThatHasWorkedLongMakesTheSameBytes passes the point at which the
// encoder starts its count of positions, 31 bits that each frame takes at least a
// window of, from the beginning again.
func TestAnEncoderThatHasWorkedLongMakesTheSameBytes(t *testing.T) {
	content := mixed(1 << 20)
	onCores(t, 1) // one encoder does it all
	fresh, err := kitOf(t).encode(content, nil)
	if err != nil {
		t.Fatal(err)
	}
	old, dst := kitOf(t), make([]byte, 0, 2<<20)
	for i := range (1<<31)/frameSize + 20 {
		if _, err := old.encode(content[i:i+100], dst); err != nil {
			t.Fatal(err)
		}
		if i < (1<<31)/frameSize-60 && i%50 > 0 {
			continue // the point is near the end
		}
		if got, err := old.encode(content, dst); err != nil || !bytes.Equal(got, fresh) {
			t.Fatalf("after %d frames the encoder makes other bytes; %v", i, err)
		}
	}
}

var errBroken = errors.New("broken")

func TestAnEncoderThatFailsFailsTheObjectAndHangsNobody(t *testing.T) {
	for _, cores := range []int{1, 8} {
		leavesNoGoroutines(t)
		onCores(t, cores)
		var out bytes.Buffer
		n := 0
		z := newFrames(t.Context(), &kit{encode: func(src, dst []byte) ([]byte, error) {
			if src[0] == 2 {
				return dst, errBroken
			}
			return append(dst, src[0]), nil
		}}, &out, sha256.New())
		var err error
		for ; n < 1000 && err == nil; n++ {
			_, err = z.Write(bytes.Repeat([]byte{byte(min(n, 100))}, frameSize))
		}
		if n == 1000 || !errors.Is(err, errBroken) {
			t.Errorf("after %d frames Write = %v", n, err)
		}
		if err := z.finish(err); !errors.Is(err, errBroken) {
			t.Errorf("finish = %v", err)
		}
		if got := out.Bytes(); len(got) > 2 || !bytes.HasPrefix([]byte{0, 1}, got) {
			t.Errorf("written is %v, of what comes before the failure", got)
		}
	}
}

func TestAnEncoderThatPanicsWithAnErrorFailsTheObject(t *testing.T) {
	// EncodeAll has no other way to fail; no content is known that makes it.
	z := newFrames(t.Context(), &kit{encode: func([]byte, []byte) (_ []byte, err error) {
		defer recoverError(&err)
		panic(errBroken)
	}}, io.Discard, nil)
	_, err := z.Write([]byte("x"))
	if err := z.finish(err); !errors.Is(err, errBroken) {
		t.Errorf("finish = %v", err)
	}
}

// brokenAt is a writer that takes so many bytes.
type brokenAt int

func (b *brokenAt) Write(p []byte) (int, error) {
	if *b -= brokenAt(len(p)); *b < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestAReaderThatBreaksOffEndsTheCompressing(t *testing.T) {
	leavesNoGoroutines(t)
	w := brokenAt(3 * frameSize)
	z := newFrames(t.Context(), &kit{encode: func(src, dst []byte) ([]byte, error) { return append(dst, src...), nil }}, &w, nil)
	var err error
	n := 0
	for buf := make([]byte, 1<<20); n < 1000 && err == nil; n++ {
		_, err = z.Write(buf)
	}
	if err := z.finish(err); n == 1000 || !errors.Is(err, errBroken) {
		t.Errorf("after %d MiB: %v", n, err)
	}
}

func TestAContextEndsTheCompressing(t *testing.T) {
	leavesNoGoroutines(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	r, w := io.Pipe() // nobody reads
	z := newFrames(ctx, kitOf(t), w, nil)
	stalled := time.AfterFunc(100*time.Millisecond, func() {
		cancel(errBroken)
		r.Close()
	})
	defer stalled.Stop()
	var err error
	for buf := mixed(1 << 20); err == nil; {
		_, err = z.Write(buf)
	}
	if err := z.finish(err); err != context.Canceled {
		t.Errorf("finish = %v, want the context's own error", err)
	}
}
