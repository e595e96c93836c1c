package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// unranged drops the header that says which part of an object an answer has.
type unranged struct{ http.ResponseWriter }

func (u unranged) WriteHeader(status int) {
	u.Header().Del("Content-Range")
	u.ResponseWriter.WriteHeader(status)
}

func TestAnAnswerThatDoesNotSayWhichPartItIsIsNotTakenForTheWhole(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg, body := largeObject(t, srv)
	f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, _ request, _ int, pass http.HandlerFunc) {
		pass(unranged{w}, r)
	})
	s := open(t, through(cfg, f.url))
	r, info, err := s.Open(t.Context(), parse(t, "large"), "")
	if err != nil || info.Size != largeSize {
		t.Fatalf("Open = %+v, %v", info, err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	wantContent(t, got, body, err)
}

func TestAProxyThatSendsLessThanWasAskedForIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	body := numbered(20 << 20)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := read(r)
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		to := min(q.to, q.from+2<<20-1, int64(len(body))-1)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", q.from, to, len(body)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(body[q.from : to+1]) // the client may have enough
	}))
	t.Cleanup(srv.Close)
	var log bytes.Buffer // the handler writes one line at a time
	s := open(t, s3.Config{Endpoint: srv.URL, AccessKey: "k", SecretKey: "s", Log: slog.New(slog.NewTextHandler(&log, nil))})
	got, err := readAll(t, s, "large")
	wantContent(t, got, body, err)
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
}

func TestAWeakETagIsReadWithoutAskingForItToMatch(t *testing.T) {
	t.Parallel()
	body := numbered(20 << 20)
	now := `W/"one"`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", now)
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body)) // which refuses If-Match of any weak ETag
	}))
	t.Cleanup(srv.Close)
	s := open(t, s3.Config{Endpoint: srv.URL, AccessKey: "k", SecretKey: "s", Log: slog.New(slog.DiscardHandler)})
	info, err := s.Stat(t.Context(), parse(t, "a"))
	if err != nil || info.ETag == "" || strings.Contains(info.ETag, `"`) {
		t.Fatalf("Stat = %+v, %v", info, err)
	}
	r, _, err := s.Open(t.Context(), parse(t, "a"), info.ETag)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	wantContent(t, got, body, err)
	now = `W/"two"`
	if _, _, err := s.Open(t.Context(), parse(t, "a"), info.ETag); !target.IsReplaced(err) {
		t.Errorf("Open of another version = %v", err)
	}
}
