package s3_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// An upload of five parts, of which one is smaller.
const (
	partBytes = s3.LeastPart
	upload5   = 4*partBytes + 12345
)

// uploader opens a store that uploads in small parts.
func uploader(t *testing.T, cfg s3.Config) *s3.Store {
	t.Helper()
	return s3.WithLeastParts(open(t, cfg))
}

// unfinishedUploads returns the ids of the unfinished uploads of a target.
func unfinishedUploads(t *testing.T, srv miniotest.Server, bucket, name string) (ids []string) {
	t.Helper()
	core := minio.Core{Client: srv.Client(t)}
	page, err := core.ListMultipartUploads(t.Context(), bucket, name+"/target", "", "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range page.Uploads {
		ids = append(ids, u.UploadID)
	}
	return ids
}

// wantStored checks what is stored under a name, and that no upload of it is
// left unfinished.
func wantStored(t *testing.T, srv miniotest.Server, cfg s3.Config, name string, want []byte) {
	t.Helper()
	got, err := readAll(t, open(t, cfg), name)
	wantContent(t, got, want, err)
	if left := unfinishedUploads(t, srv, cfg.Bucket, name); len(left) != 0 {
		t.Errorf("%d uploads are left unfinished", len(left))
	}
}

// holdingBack lets so many parts through. Once the server has them, instead is
// called for each of the others.
func holdingBack(parts int, instead http.HandlerFunc) func(http.ResponseWriter, *http.Request, request, int, http.HandlerFunc) {
	var through sync.WaitGroup
	through.Add(parts)
	return func(w http.ResponseWriter, r *http.Request, q request, _ int, pass http.HandlerFunc) {
		if q.what != "PUT part" {
			pass(w, r)
		} else if q.part <= parts {
			pass(w, r)
			through.Done()
		} else {
			_, _ = io.Copy(io.Discard, r.Body) // only then is it noticed when the client goes
			through.Wait()
			time.Sleep(100 * time.Millisecond) // until the client, too, knows that they are through
			instead(w, r)
		}
	}
}

func TestPartsAreSentSideBySide(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	body := numbered(upload5)
	f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, _ int, pass http.HandlerFunc) {
		time.Sleep(50 * time.Millisecond)
		pass(w, r)
	})
	for _, resume := range []bool{false, true} {
		if _, err := uploader(t, through(cfg, f.url)).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: -1, Resume: resume}); err != nil {
			t.Fatal(err)
		}
		wantStored(t, srv, cfg, "a", body)
	}
	if n := f.atOnce("PUT part"); n < 2 || n > 4 {
		t.Errorf("%d parts were sent at once", n)
	}
}

func TestAPartThatTheServerCannotTakeForTheMomentIsSentAgain(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	body := numbered(upload5)
	var refused atomic.Int32
	var seen sync.Map
	f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, _ int, pass http.HandlerFunc) {
		if _, again := seen.LoadOrStore(q.part, true); q.what == "PUT part" && !again {
			_, _ = io.Copy(io.Discard, r.Body) // the client may break off
			refused.Add(1)
			answer(w, 503, "SlowDown")
			return
		}
		pass(w, r)
	})
	if _, err := uploader(t, through(cfg, f.url)).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5}); err != nil {
		t.Fatal(err)
	}
	if refused.Load() != 5 {
		t.Errorf("%d parts were refused once", refused.Load())
	}
	wantStored(t, srv, cfg, "a", body)
}

func TestAServerThatStaysBusyFailsAPutAndOnlyOneWithResumeLeavesParts(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	for _, resume := range []bool{false, true} {
		cfg := made(t, srv)
		f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, _ int, pass http.HandlerFunc) {
			if q.what == "PUT part" && q.part > 1 {
				answer(w, 503, "SlowDown")
				return
			}
			pass(w, r)
		})
		s := s3.WithLeastParts(impatient(t, through(cfg, f.url), s3.Patience{Progress: 300 * time.Millisecond}))
		_, err := s.Put(t.Context(), parse(t, "a"), bytes.NewReader(numbered(upload5)), target.PutOptions{Size: upload5, Resume: resume})
		if cordon.KindOf(err) != cordon.StorageUnavailable || !strings.Contains(err.Error(), "SlowDown") {
			t.Errorf("Put = %v", err)
		}
		if left := unfinishedUploads(t, srv, cfg.Bucket, "a"); (len(left) == 1) != resume || len(left) > 1 {
			t.Errorf("with Resume %v, %d uploads are left", resume, len(left))
		}
	}
}

func TestAServerThatDoesNotListUploadsOrTheirPartsIsSentAllParts(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	for _, hidden := range []string{"list uploads", "list parts"} {
		cfg := made(t, srv)
		body := numbered(upload5)
		breakOff(t, srv, cfg, "a", body, 1)
		f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, _ int, pass http.HandlerFunc) {
			if q.what == hidden {
				answer(w, 403, "AccessDenied")
				return
			}
			pass(w, r)
		})
		if _, err := uploader(t, through(cfg, f.url)).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5, Resume: true}); err != nil {
			t.Fatalf("%s: %v", hidden, err)
		}
		if n := len(f.seen("PUT part")); n != 5 {
			t.Errorf("%s: %d parts were sent", hidden, n)
		}
		got, err := readAll(t, open(t, cfg), "a")
		wantContent(t, got, body, err)
	}
}

func TestWhatFillsOnePartIsOneRequestWhereItsSizeIsKnown(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	f := newFront(t, srv.Endpoint, pass)
	body := numbered(16 << 20)
	if _, err := open(t, through(cfg, f.url)).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: 16 << 20}); err != nil {
		t.Fatal(err)
	}
	if n := len(f.seen("PUT")); n != 1 || len(f.seen("begin")) != 0 {
		t.Errorf("%d requests, and %d uploads in parts", n, len(f.seen("begin")))
	}
}

func TestAnAnswerThatIsLostAfterThePartsWereJoinedHarmsNothing(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	body := numbered(upload5)
	f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, nth int, pass http.HandlerFunc) {
		if q.what == "complete" && nth == 1 {
			pass(httptest.NewRecorder(), r)
			answer(w, 502, "")
			return
		}
		pass(w, r)
	})
	info, err := uploader(t, through(cfg, f.url)).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5})
	if err != nil || info.Size != upload5 || !strings.HasSuffix(info.ETag, "-5") || len(f.seen("complete")) != 2 {
		t.Errorf("Put = %+v, %v after %d requests to join", info, err, len(f.seen("complete")))
	}
	wantStored(t, srv, cfg, "a", body)
}

func TestAServerThatIsKilledAndStartedAgainIsSurvivedByAPut(t *testing.T) {
	t.Parallel()
	srv := miniotest.StartOwn(t)
	cfg := made(t, srv.Server)
	body := numbered(upload5)
	pr, pw := io.Pipe()
	put := make(chan error, 1)
	go func() {
		_, err := uploader(t, cfg).Put(t.Context(), parse(t, "a"), pr, target.PutOptions{Size: upload5})
		pr.CloseWithError(io.ErrClosedPipe)
		put <- err
	}()
	if _, err := pw.Write(body[:2*partBytes+1]); err != nil {
		t.Fatal(err)
	}
	srv.Kill()
	started := make(chan error, 1)
	go func() {
		time.Sleep(500 * time.Millisecond)
		started <- srv.Restart()
	}()
	if _, err := pw.Write(body[2*partBytes+1:]); err != nil {
		t.Error(err)
	}
	pw.Close()
	if err := errors.Join(<-put, <-started); err != nil {
		t.Fatal(err)
	}
	wantStored(t, srv.Server, cfg, "a", body)
}
