package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

// readAll reads what p yields to its end.
func readAll(p *pieces) ([]byte, error) {
	defer p.close()
	var out bytes.Buffer
	_, err := io.Copy(&out, struct{ io.Reader }{p})
	return out.Bytes(), err
}

func framesOf(b []byte) *pieces { return readFrames(bytes.NewReader(b), DefaultLimits().DecoderMemory) }

func blocksOf(b []byte) *pieces {
	return readBlocks(newSource(context.Background(), bytes.NewReader(b), int64(len(b))), DefaultLimits().DecoderMemory)
}

// xzBlocksOf is b as an xz file with blocks of n bytes each.
func xzBlocksOf(b []byte, n int) []byte {
	var blocks []xzBlock
	for len(b) > 0 {
		k := min(n, len(b))
		blocks = append(blocks, xzBlock{b[:k], 16})
		b = b[k:]
	}
	return xzSized(blocks...)
}

func words(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range b {
		b[i] = "etaoin shrdlu"[rng.IntN(13)]
	}
	return b
}

func TestPiecesAreDecodedInTheirOrder(t *testing.T) {
	content := words(9 << 20)
	head, tail := content[:3<<20], content[3<<20:]
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	unsized := func(b []byte) []byte { return xzOf(xzBlock{b, 16}) }
	for name, c := range map[string]struct {
		packed []byte
		read   func([]byte) *pieces
	}{
		"zstd: one frame":                             {zstFrames(content, len(content)), framesOf},
		"zstd: many frames":                           {zstFrames(content, 100_000), framesOf},
		"zstd: frames of the largest size":            {zstFrames(content, maxFrame), framesOf},
		"zstd: frames above the largest size":         {zstFrames(content, maxFrame+1), framesOf},
		"zstd: a stream":                              {streamed(content), framesOf},
		"zstd: frames, then a stream":                 {cat(zstFrames(head, 1<<20), streamed(tail)), framesOf},
		"zstd: a stream, then frames":                 {cat(streamed(head), zstFrames(tail, 1<<20)), framesOf},
		"zstd: skippable frames before and between":   {cat(skippable([]byte("x")), zstFrames(head, 1<<20), skippable(nil), zstFrames(tail, 1<<20)), framesOf},
		"zstd: a skippable frame at the end":          {cat(zstFrames(content, 1<<20), skippable(make([]byte, 70_000))), framesOf},
		"xz: one block":                               {xzBlocksOf(content, len(content)), blocksOf},
		"xz: many blocks":                             {xzBlocksOf(content, 100_000), blocksOf},
		"xz: a block that does not say how long":      {unsized(content), blocksOf},
		"xz: blocks, then one that does not say":      {xzLikeMixed(head, tail), blocksOf},
		"xz: streams with padding between and behind": {cat(xzBlocksOf(head, 1<<20), make([]byte, 8), unsized(tail), make([]byte, 4)), blocksOf},
		"xz: streams, the second in blocks":           {cat(unsized(head), xzBlocksOf(tail, 1<<20)), blocksOf},
		"xz: an empty stream in front":                {cat(xzSized(), xzBlocksOf(content, 1<<20)), blocksOf},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(c.read(c.packed))
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%d bytes, %v; want %d", len(got), err, len(content))
			}
			cuts := []int{1, 2, 3, 5, len(c.packed) / 2, len(c.packed) - 20}
			if testing.Short() {
				cuts = cuts[3:5] // each decodes all of it again
			}
			for _, cut := range cuts {
				if strings.HasSuffix(name, "behind") && cut < 5 {
					continue // padding may be shorter, by four
				}
				if got, err := readAll(c.read(c.packed[:len(c.packed)-cut])); err == nil && len(got) == len(content) {
					t.Errorf("%d bytes less at the end are not noticed", cut)
				}
			}
		})
	}
}

// xzLikeMixed is one stream whose last block does not say how long it is.
func xzLikeMixed(head, tail []byte) []byte {
	sized, unsized := xzSized(xzBlock{head[:1<<20], 16}, xzBlock{head[1<<20:], 16}), xzOf(xzBlock{tail, 16})
	cutAt := func(b []byte) int { // where the index begins
		return len(b) - xzFooterLen - 4*(int(le.Uint32(b[len(b)-8:]))+1)
	}
	blocks := append(slices.Clone(sized[:cutAt(sized)]), unsized[xzHeaderLen:cutAt(unsized)]...)
	records := func(b []byte) []byte { // of the index: without its marker, number, padding and checksum
		at, n := cutAt(b)+2, int(b[cutAt(b)+1])
		end := at
		for range 2 * n {
			_, k := binary.Uvarint(b[end:])
			end += k
		}
		return b[at:end]
	}
	index := slices.Concat([]byte{0, 3}, records(sized), records(unsized))
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = le.AppendUint32(index, crc32.ChecksumIEEE(index))
	footer := append(le.AppendUint32(nil, uint32(len(index)/4-1)), 0, 1)
	return slices.Concat(blocks, index, le.AppendUint32(nil, crc32.ChecksumIEEE(footer)), footer, []byte(xzFooterMagic))
}

func TestPiecesThatAreNotReadToTheirEndLeaveNothing(t *testing.T) {
	content := words(9 << 20)
	for name, open := range map[string]func() *pieces{
		"zstd": func() *pieces { return framesOf(zstFrames(content, 200_000)) },
		"xz":   func() *pieces { return blocksOf(xzBlocksOf(content, 200_000)) },
	} {
		for _, n := range []int64{0, 1, 200_000, 3 << 20} {
			before := runtime.NumGoroutine()
			p := open()
			if _, err := io.CopyN(io.Discard, p, n); err != nil {
				t.Fatal(err)
			}
			p.close()
			// A goroutine that has said that it is done is counted for a moment more.
			for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s, after %d bytes: %d goroutines, %d before", name, n, runtime.NumGoroutine(), before)
				}
			}
		}
	}
}

// slowPieces is a file without end whose pieces are decoded only when let go on.
type slowPieces struct {
	begun atomic.Int32
	on    chan struct{}
}

func (s *slowPieces) cut(p *piece) (io.Reader, func(), error) {
	p.size = 1
	return nil, nil, nil
}

func (s *slowPieces) decoder() (func(*piece) error, func(), error) {
	return func(*piece) error {
		s.begun.Add(1)
		<-s.on
		return nil
	}, func() {}, nil
}

// What was cut and is not wanted any more is not decoded: only what was begun is
// waited for.
func TestClosingDoesNotDecodeWhatNobodyWants(t *testing.T) {
	s := &slowPieces{on: make(chan struct{})}
	p := readPieces(s, framesAtOnce, maxFrame)
	decoders := int32(min(pieceDecoders, runtime.GOMAXPROCS(0)))
	for deadline := time.Now().Add(10 * time.Second); s.begun.Load() < decoders; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is decoded")
		}
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.close()
	}()
	<-p.stop
	close(s.on)
	<-closed
	if n := s.begun.Load(); n != decoders {
		t.Errorf("%d pieces were decoded, %d of them for nobody", n, n-decoders)
	}
}

// asOne checks that what several goroutines decode is what one would have decoded.
func asOne(t *testing.T, b []byte, c compression, apart *pieces) {
	got, err := readAll(apart)
	var want bytes.Buffer
	werr := guarded(func() error {
		z, free, err := decompress(bytes.NewReader(b), c, DefaultLimits().DecoderMemory, false)
		if err != nil {
			return err
		}
		defer free()
		_, err = io.Copy(&want, struct{ io.Reader }{z})
		return err
	})
	if (err == nil) != (werr == nil) || err == nil && !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("in pieces: %d bytes, %v; as one: %d bytes, %v", len(got), err, want.Len(), werr)
	}
}

func FuzzFrames(f *testing.F) {
	text := words(3000)
	for _, b := range [][]byte{
		zstFrames(text, 700), zstFrames(text, 3000), streamed(text), append(zstFrames(text[:100], 50), streamed(text[100:])...),
		append(skippable([]byte("abc")), zstFrames(text, 1000)...), zstFrames(make([]byte, 200_000), 100_000), []byte("\x28\xb5\x2f\xfd"),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 0 { // there is no file of no bytes
			asOne(t, b, zstandard, framesOf(b))
		}
	})
}

func FuzzBlocks(f *testing.F) {
	text := words(3000)
	for _, b := range [][]byte{
		xzBlocksOf(text, 700), xzBlocksOf(text, 3000), xzWhole(text), append(xzBlocksOf(text, 1000), xzWhole(text)...),
		append(append(xzBlocksOf(text, 2000), 0, 0, 0, 0), xzBlocksOf(text, 900)...), xzSized(), []byte(xzHeaderMagic),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 0 {
			asOne(t, b, xzipped, blocksOf(b))
		}
	})
}
