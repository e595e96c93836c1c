package pack

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

func TestTheCompressedBytesDependOnTheContentAlone(t *testing.T) {
	// Text, noise and zeros in turn: blocks of every kind, over several windows.
	rnd := rand.New(rand.NewPCG(1, 2))
	var content []byte
	for len(content) < 12<<20 {
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
	compress := func(threads, chunk int) []byte {
		var out bytes.Buffer
		enc, err := newEncoder(&out, threads)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{enc}, struct{ io.Reader }{bytes.NewReader(content)}, make([]byte, chunk)); err != nil {
			t.Fatal(err)
		}
		if err := enc.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	want := compress(1, 512)
	for _, c := range []struct{ threads, chunk int }{{1, 1 << 20}, {2, 512}, {2, 777_777}, {8, 32 << 10}} {
		for range 3 {
			if !bytes.Equal(compress(c.threads, c.chunk), want) {
				t.Errorf("%d threads and writes of %d bytes make other bytes", c.threads, c.chunk)
			}
		}
	}
}
