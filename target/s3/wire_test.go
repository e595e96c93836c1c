package s3_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// wire is a TCP relay whose answers stop after a number of bytes.
type wire struct {
	addr  string
	limit atomic.Int64 // bytes of answers that pass on each connection from now on
	cut   bool         // at the limit the connection breaks; else it falls silent
	stop  chan struct{}
}

func newWire(t *testing.T, endpoint string, cut bool) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String(), cut: cut, stop: make(chan struct{})}
	w.limit.Store(1 << 40)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { w.carry(in, strings.TrimPrefix(endpoint, "http://")) })
		}
	})
	t.Cleanup(func() { close(w.stop); l.Close(); wg.Wait() })
	return w
}

func (w *wire) carry(in net.Conn, to string) {
	defer in.Close()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-w.stop: // an idle connection would be kept for long
			in.Close()
			out.Close()
		case <-done:
		}
	}()
	up := make(chan struct{})
	go func() {
		defer close(up)
		_, _ = io.Copy(out, in) // ends when either side closes
		out.Close()
	}()
	var passed int64
	buf := make([]byte, 4096)
	for {
		n, err := out.Read(buf)
		if limit := w.limit.Load(); passed+int64(n) > limit {
			_, _ = in.Write(buf[:max(0, limit-passed)]) // the other side may be gone
			if !w.cut {
				select {
				case <-w.stop:
				case <-up: // the client has hung up
				}
			}
			return
		}
		passed += int64(n)
		if _, werr := in.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

const (
	storedSize   = 8 << 20 // bytes
	storedDigest = "d58c6075ec9588b82358ff08be8662afca2b92c3358a01c8742445fd72285aa0"
)

// storedContent is what stored stores.
func storedContent() []byte { return numbered(storedSize) }

// numbered returns n bytes that are different at every offset, so that a part in
// the wrong place shows.
func numbered(n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], uint64(i))
	}
	return b[:n]
}

// stored puts a large object into a fresh bucket of the real server and returns
// a store that reaches it over w.
func stored(t *testing.T, srv miniotest.Server, w *wire, stall time.Duration) *s3.Store {
	t.Helper()
	cfg := made(t, srv)
	if _, err := open(t, cfg).Put(t.Context(), parse(t, "fw"), bytes.NewReader(storedContent()), target.PutOptions{Size: storedSize}); err != nil {
		t.Fatal(err)
	}
	cfg.Endpoint = "http://" + w.addr
	s, err := s3.OpenImpatient(cfg, s3.Patience{Header: stall, Stall: stall, Progress: 3 * stall})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
