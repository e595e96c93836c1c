package s3_test

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

func TestAServerThatIsBusyForAWhileIsWaitedForFromTheFirstRequestOn(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	plant(t, srv.Client(t), cfg.Bucket, "there/target", []byte("x"))
	for what, call := range map[string]func(s *s3.Store) error{
		"GET": func(s *s3.Store) error {
			r, _, err := s.Open(t.Context(), parse(t, "there"), "")
			if err == nil {
				r.Close()
			}
			return err
		},
		"HEAD": func(s *s3.Store) error {
			_, err := s.Stat(t.Context(), parse(t, "there"))
			return err
		},
		"PUT": func(s *s3.Store) error {
			_, err := s.Put(t.Context(), parse(t, "small"), bytes.NewReader(numbered(1000)), target.PutOptions{Size: 1000})
			return err
		},
		"begin": func(s *s3.Store) error {
			_, err := s3.WithLeastParts(s).Put(t.Context(), parse(t, "large"), bytes.NewReader(numbered(upload5)), target.PutOptions{Size: upload5})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, nth int, pass http.HandlerFunc) {
				if q.what == what && nth <= 5 { // more than minio-go's own tries
					_, _ = io.Copy(io.Discard, r.Body) // the client may break off
					answer(w, 503, "SlowDown")
					return
				}
				pass(w, r)
			})
			if err := call(open(t, through(cfg, f.url))); err != nil {
				t.Error(err)
			}
			f = newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, _ int, pass http.HandlerFunc) {
				if q.what == what {
					_, _ = io.Copy(io.Discard, r.Body) // the client may break off
					answer(w, 429, "")
					return
				}
				pass(w, r)
			})
			if err := call(impatient(t, through(cfg, f.url), s3.Patience{Progress: 100 * time.Millisecond})); cordon.KindOf(err) != cordon.StorageUnavailable {
				t.Errorf("of a server that stays busy: %v", err)
			}
		})
	}
}

func TestAServerThatIsBusyInAnAnswerThatBeganAsASuccessIsAskedAgain(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	body := numbered(upload5)
	// Of few at a time, for the pauses between tries grow.
	for _, codes := range [][]string{{"SlowDown", "SlowDownWrite", "SlowDownRead"}, {"Throttling", "ServiceUnavailable", "InternalError"}} {
		f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, nth int, pass http.HandlerFunc) {
			if q.what == "complete" && nth <= len(codes) {
				answer(w, 200, codes[nth-1])
				return
			}
			pass(w, r)
		})
		if _, err := uploader(t, through(cfg, f.url)).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5}); err != nil {
			t.Fatal(err)
		}
		wantStored(t, srv, cfg, "a", body)
	}
}

// slowly reads r as a slow link does, for so long.
func slowly(r io.Reader, d time.Duration) {
	const steps = 10
	for range steps {
		_, _ = io.CopyN(io.Discard, r, partBytes/steps) // the client may break off
		time.Sleep(d / steps)
	}
	_, _ = io.Copy(io.Discard, r)
}

func TestAnUploadIsNotGivenUpWhileBytesFlow(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	const patience, link = 500 * time.Millisecond, 1200 * time.Millisecond
	var tries atomic.Int32
	f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, _ int, pass http.HandlerFunc) {
		if q.what == "PUT part" && q.part == 1 && tries.Add(1) <= 2 {
			slowly(r.Body, link)
			answer(w, 503, "SlowDown")
			return
		}
		pass(w, r)
	})
	body := numbered(2 * partBytes)
	s := s3.WithLeastParts(impatient(t, through(cfg, f.url), s3.Patience{Progress: patience}))
	if _, err := s.Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: int64(len(body))}); err != nil {
		t.Fatal(err)
	}
	wantStored(t, srv, cfg, "a", body)
}
