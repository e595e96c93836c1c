package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// readAll reads a target whole, and fails the test where that takes long.
func readAll(t *testing.T, s *s3.Store, name string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, _, err := s.Open(ctx, parse(t, name), "")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if ctx.Err() != nil {
		t.Fatalf("the read hangs at %d bytes", len(b))
	}
	return b, err
}

func wantContent(t *testing.T, got, want []byte, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("the read ended after %d of %d bytes with %v", len(got), len(want), err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("%d bytes came, which are not the object's %d", len(got), len(want))
	}
}

func TestAnObjectOfOnePartIsOneGET(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	for _, n := range []int{1, 8<<20 - 1, 8 << 20} {
		f := newFront(t, srv.Endpoint, pass)
		plant(t, srv.Client(t), cfg.Bucket, "a/target", numbered(n))
		got, err := readAll(t, open(t, through(cfg, f.url)), "a")
		wantContent(t, got, numbered(n), err)
		if all := f.seen("GET"); len(all) != 1 || len(f.seen("HEAD")) != 0 {
			t.Errorf("%d bytes: the requests were %+v", n, all)
		}
	}
}

func TestALargeObjectIsReadInPartsOfOneVersionThatCoverItOnce(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg, body := largeObject(t, srv)
	f := newFront(t, srv.Endpoint, pass)
	s := open(t, through(cfg, f.url))
	got, err := readAll(t, s, "large")
	wantContent(t, got, body, err)
	all := f.seen("GET")
	if n := f.atOnce("GET"); n < 2 {
		t.Errorf("at most %d GETs were under way at once", n)
	}
	info, err := s.Stat(t.Context(), parse(t, "large"))
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for i, q := range all {
		sum += q.to - q.from + 1
		if i > 0 && q.match != `"`+info.ETag+`"` {
			t.Errorf("request %d has If-Match %s, want %q", i, q.match, info.ETag)
		}
	}
	if len(all) < 3 || sum != largeSize {
		t.Errorf("the parts are %+v, of %d bytes together", all, sum)
	}
}

func TestASlowReaderGetsNoMoreStreamsAndHoldsNoMoreThanItsShare(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	const size = 100 << 20
	plant(t, srv.Client(t), cfg.Bucket, "a/target", make([]byte, size))
	f := newFront(t, srv.Endpoint, pass)
	r, _, err := open(t, through(cfg, f.url)).Open(t.Context(), parse(t, "a"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	buf := make([]byte, 1<<20)
	for range 15 { // 1.5 seconds: three times what is measured before a change
		if _, err := io.ReadFull(r, buf); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	var sum int64
	for _, q := range f.seen("GET") {
		sum += q.to - q.from + 1
	}
	if held := sum - 15<<20; held > 32<<20 {
		t.Errorf("%d bytes were fetched ahead", held)
	}
	if n := f.atOnce("GET"); n > 2 {
		t.Errorf("%d streams for a reader that is slower than the network", n)
	}
}

func TestAReaderThatWaitsGetsMoreStreams(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg, body := largeObject(t, srv)
	p := newToxiproxy(t, srv.Endpoint)
	p.add(t, `{"type": "bandwidth", "attributes": {"rate": 4000}}`) // 4 MB/s, of each connection
	f := newFront(t, p.url, pass)
	got, err := readAll(t, open(t, through(cfg, f.url)), "large")
	wantContent(t, got, body, err)
	if n := f.atOnce("GET"); n < 3 {
		t.Errorf("at most %d streams", n)
	}
}

func TestBytesThatAreNotThoseOfTheETagAreAnIntegrityMismatch(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	for _, n := range []int{1000, 20 << 20} {
		body := numbered(n)
		if _, err := srv.Client(t).PutObject(t.Context(), cfg.Bucket, "a/target", bytes.NewReader(body), int64(n), minio.PutObjectOptions{DisableMultipart: true}); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(t, open(t, cfg), "a")
		wantContent(t, got, body, err)
		f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, _ int, pass http.HandlerFunc) {
			if q.to >= int64(n) || q.from > 0 && q.from < 16<<20 {
				w = &flipper{ResponseWriter: w}
			}
			pass(w, r)
		})
		got, err = readAll(t, open(t, through(cfg, f.url)), "a")
		if cordon.KindOf(err) != cordon.IntegrityMismatch || len(got) != n {
			t.Errorf("%d bytes came, and then %v", len(got), err)
		}
	}
}

func TestAReadEndsWithinASecondOfItsContextAndOfItsClose(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg, _ := largeObject(t, srv)
	for what, end := range map[string]func(cancel func(), r io.Closer){
		"context": func(cancel func(), _ io.Closer) { cancel() },
		"Close":   func(_ func(), r io.Closer) { r.Close() },
	} {
		for fault, toxic := range map[string]string{
			"a stall":         `{"type": "timeout", "attributes": {"timeout": 0}}`,
			"a server's loss": `{"type": "limit_data", "attributes": {"bytes": 1}}`,
		} {
			t.Run(what+" in "+fault, func(t *testing.T) {
				t.Parallel()
				p := newToxiproxy(t, srv.Endpoint)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r, _, err := open(t, through(cfg, p.url)).Open(ctx, parse(t, "large"), "")
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				if _, err := io.ReadFull(r, make([]byte, 1<<20)); err != nil {
					t.Fatal(err)
				}
				p.add(t, toxic)
				ended := make(chan error, 1)
				go func() {
					_, err := io.Copy(io.Discard, r)
					ended <- err
				}()
				time.Sleep(300 * time.Millisecond)
				began := time.Now()
				end(cancel, r)
				if err := <-ended; !errors.Is(err, context.Canceled) || cordon.KindOf(err) != "" {
					t.Errorf("the read ended with %v", err)
				}
				r.Close()
				if d := time.Since(began); d > time.Second {
					t.Errorf("it took %v", d)
				}
			})
		}
	}
}

// This test runs before the parallel ones: what it counts is its own.
func TestNothingRunsOnAfterAReadHasEnded(t *testing.T) {
	srv := miniotest.Start(t)
	cfg, body := largeObject(t, srv)
	fail := make(chan struct{}, 1)
	f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, _ request, nth int, pass http.HandlerFunc) {
		select {
		case <-fail:
			answer(w, 403, "AccessDenied")
		default:
			pass(w, r)
		}
	})
	s := open(t, through(cfg, f.url))
	for name, end := range map[string]func(r io.Reader){
		"it was not read":       func(io.Reader) {},
		"it was read in part":   func(r io.Reader) { _, _ = io.CopyN(io.Discard, r, 1<<20) },
		"it was read whole":     func(r io.Reader) { _, _ = io.CopyN(io.Discard, r, int64(len(body))+1) },
		"it failed in a stream": func(r io.Reader) { fail <- struct{}{}; _, _ = io.Copy(io.Discard, r) },
	} {
		r, _, err := s.Open(t.Context(), parse(t, "large"), "")
		if err != nil {
			t.Fatal(err)
		}
		end(r)
		r.Close()
		// The connections' own goroutines end a moment after them.
		stack := make([]byte, 1<<20)
		if stack = stack[:runtime.Stack(stack, true)]; bytes.Contains(stack, []byte("s3.(*fetch)")) || bytes.Contains(stack, []byte("s3.(*segment)")) {
			t.Errorf("%s: still running is\n%s", name, stack)
		}
	}
}
