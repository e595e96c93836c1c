package s3_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/s3"
)

// rangeless is a server that knows neither ranges nor conditions. It breaks the
// second connection, on which the object is read, after cut bytes.
func rangeless(t *testing.T, body []byte, cut int) (s *s3.Store, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		if requests.Add(1) == 2 {
			w = &cutter{ResponseWriter: w, left: cut}
		}
		for b := range slices.Chunk(body, 64<<10) {
			_, _ = w.Write(b) // the client may have enough
		}
	}))
	t.Cleanup(srv.Close)
	return open(t, s3.Config{Endpoint: srv.URL, AccessKey: "k", SecretKey: "s", Log: slog.New(slog.DiscardHandler)}), requests
}

func TestAServerThatIgnoresRangesIsReadAsOneStream(t *testing.T) {
	t.Parallel()
	body := numbered(20 << 20)
	s, requests := rangeless(t, body, len(body))
	got, err := readAll(t, s, "fw")
	wantContent(t, got, body, err)
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests; one to look at, one to read", n)
	}
}

func TestAServerThatIgnoresRangesCannotBeReadOnAfterACut(t *testing.T) {
	t.Parallel()
	s, _ := rangeless(t, numbered(20<<20), 5<<20)
	got, err := readAll(t, s, "fw")
	if len(got) == 0 || cordon.KindOf(err) != cordon.StorageUnavailable || !strings.Contains(err.Error(), "does not send parts") || !strings.Contains(err.Error(), fmt.Sprintf("after %d of 20971520 bytes", len(got))) {
		t.Errorf("after %d bytes the read ended with %v", len(got), err)
	}
}

// cutter breaks the connection after a number of bytes.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}

// flipper changes one bit of what passes.
type flipper struct {
	http.ResponseWriter
	done bool
}

func (f *flipper) Write(p []byte) (int, error) {
	if !f.done && len(p) > 0 {
		f.done = true
		p = bytes.Clone(p)
		p[len(p)/2] ^= 0x10
	}
	return f.ResponseWriter.Write(p)
}
