package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// zstFrames is b as a file of frames of n bytes each.
func zstFrames(b []byte, n int) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	var out []byte
	for len(b) > 0 {
		k := min(n, len(b))
		out = w.EncodeAll(b[:k], out)
		b = b[k:]
	}
	return out
}

// skippable is a frame without content.
func skippable(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte("\x5a\x2a\x4d\x18"), uint32(len(b))), b...)
}

// streamed is b as one frame that does not say how large it is.
func streamed(b []byte) []byte {
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(b[:len(b)/2]) // into memory
	_ = w.Flush()
	_, _ = w.Write(b[len(b)/2:])
	_ = w.Close()
	return out.Bytes()
}

func readAllFrames(b []byte) ([]byte, error) {
	f := readFrames(bytes.NewReader(b), DefaultLimits().DecoderMemory)
	defer f.close()
	var out bytes.Buffer
	_, err := io.Copy(&out, struct{ io.Reader }{f})
	return out.Bytes(), err
}

func words(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range b {
		b[i] = "etaoin shrdlu"[rng.IntN(13)]
	}
	return b
}

func TestFramesAreDecodedInTheirOrder(t *testing.T) {
	content := words(9 << 20)
	head, tail := content[:3<<20], content[3<<20:]
	for name, b := range (blobs{
		"one small frame":                     zstFrames(content[:1000], 1000),
		"many frames":                         zstFrames(content, 100_000),
		"frames of the largest size":          zstFrames(content, maxFrame),
		"frames above the largest size":       zstFrames(content, maxFrame+1),
		"a stream":                            streamed(content),
		"frames, then a stream":               append(zstFrames(head, 1<<20), streamed(tail)...),
		"a stream, then frames":               append(streamed(head), zstFrames(tail, 1<<20)...),
		"skippable frames before and between": append(append(skippable([]byte("x")), zstFrames(head, 1<<20)...), append(skippable(nil), zstFrames(tail, 1<<20)...)...),
		"a skippable frame at the end":        append(zstFrames(content, 1<<20), skippable(make([]byte, 70_000))...),
	}) {
		t.Run(name, func(t *testing.T) {
			want := content
			if name == "one small frame" {
				want = content[:1000]
			}
			got, err := readAllFrames(b)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, %v; want %d", len(got), err, len(want))
			}
			for _, cut := range []int{1, 2, 3, 5, len(b) / 2, len(b) - 20} {
				if got, err := readAllFrames(b[:len(b)-cut]); err == nil && len(got) == len(want) {
					t.Errorf("%d bytes less at the end are not noticed", cut)
				}
			}
		})
	}
}

func TestFramesThatAreNotReadToTheirEndLeaveNothing(t *testing.T) {
	b := zstFrames(words(9<<20), 200_000)
	for _, n := range []int{0, 1, 200_000, 3 << 20} {
		before := runtime.NumGoroutine()
		f := readFrames(bytes.NewReader(b), DefaultLimits().DecoderMemory)
		if _, err := io.CopyN(io.Discard, f, int64(n)); err != nil {
			t.Fatal(err)
		}
		f.close()
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("after %d bytes: %d goroutines, %d before", n, after, before)
		}
	}
}

// What several goroutines decode is what one would have decoded.
func FuzzFrames(f *testing.F) {
	text := words(3000)
	for _, b := range [][]byte{
		zstFrames(text, 700), zstFrames(text, 3000), streamed(text), append(zstFrames(text[:100], 50), streamed(text[100:])...),
		append(skippable([]byte("abc")), zstFrames(text, 1000)...), zstFrames(make([]byte, 200_000), 100_000), []byte("\x28\xb5\x2f\xfd"),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readAllFrames(b)
		z, free, zerr := decompress(bytes.NewReader(b), zstandard, DefaultLimits().DecoderMemory, false)
		if zerr != nil {
			t.Fatal(zerr)
		}
		defer free()
		var want []byte
		_, werr := func() (n int, err error) {
			buf := make([]byte, 1<<16)
			for {
				n, err := fill(buf, z)
				want = append(want, buf[:n]...)
				if err != nil {
					if err == io.EOF {
						err = nil
					}
					return n, err
				}
			}
		}()
		if (err == nil) != (werr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Fatalf("frames: %d bytes, %v; stream: %d bytes, %v", len(got), err, len(want), werr)
		}
		if err != nil && fmt.Sprint(damaged("", err, 0)) == "" {
			t.Fatal("an error without words")
		}
	})
}
