package s3_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
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

// breakOff puts body with Resume over a server that takes so many parts, and
// returns when the Put has failed for want of more.
func breakOff(t *testing.T, srv miniotest.Server, cfg s3.Config, name string, body []byte, parts int) {
	t.Helper()
	f := newFront(t, srv.Endpoint, holdingBack(parts, func(w http.ResponseWriter, _ *http.Request) { answer(w, 403, "AccessDenied") }))
	_, err := uploader(t, through(cfg, f.url)).Put(t.Context(), parse(t, name), bytes.NewReader(body), target.PutOptions{Size: int64(len(body)), Resume: true})
	if cordon.KindOf(err) != cordon.PermissionDenied {
		t.Fatalf("Put = %v, want what the server says", err)
	}
}

func TestAnUploadThatBrokeOffIsContinued(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	body := numbered(upload5)
	breakOff(t, srv, cfg, "a", body, 2)
	f := newFront(t, srv.Endpoint, pass)
	info, err := uploader(t, through(cfg, f.url)).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5, Resume: true})
	if err != nil || info.Size != upload5 || info.ETag == "" || info.Modified.IsZero() {
		t.Errorf("Put = %+v, %v", info, err)
	}
	if n := len(f.seen("PUT part")); n != 3 || len(f.seen("begin")) != 0 {
		t.Errorf("%d parts were sent, and %d uploads begun; two parts were there already", n, len(f.seen("begin")))
	}
	wantStored(t, srv, cfg, "a", body)
}

func TestAnUploadThatWasCancelledIsContinued(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	body := numbered(upload5)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := newFront(t, srv.Endpoint, holdingBack(3, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	if _, err := uploader(t, through(cfg, f.url)).Put(ctx, parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5, Resume: true}); !errors.Is(err, context.Canceled) || cordon.KindOf(err) != "" {
		t.Errorf("Put = %v", err)
	}
	f = newFront(t, srv.Endpoint, pass)
	if _, err := uploader(t, through(cfg, f.url)).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5, Resume: true}); err != nil {
		t.Fatal(err)
	}
	if n := len(f.seen("PUT part")); n != 2 {
		t.Errorf("%d parts were sent; three of five were there already", n)
	}
	wantStored(t, srv, cfg, "a", body)
}

// A process that is killed in the middle of a Put is this test binary, run again.
func TestAnUploadOfAProcessThatWasKilledIsContinuedByAnother(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	three := make(chan struct{}, 2)
	f := newFront(t, srv.Endpoint, holdingBack(3, func(_ http.ResponseWriter, r *http.Request) {
		three <- struct{}{}
		<-r.Context().Done()
	}))
	child := putter(t, through(cfg, f.url))
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	<-three
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	f = newFront(t, srv.Endpoint, pass)
	if out, err := putter(t, through(cfg, f.url)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if n := len(f.seen("PUT part")); n != 2 {
		t.Errorf("%d parts were sent; three of five were there already", n)
	}
	wantStored(t, srv, cfg, "killed", numbered(upload5))
}

const putterEnv = "CORDON_TEST_S3_PUTTER"

// putter returns a process that puts the target "killed".
func putter(t *testing.T, cfg s3.Config) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), putterEnv+"="+strings.Join([]string{cfg.Endpoint, cfg.AccessKey, cfg.SecretKey, cfg.Bucket}, " "))
	return cmd
}

// runPutter is the main function of a putter. It reports whether this process is one.
func runPutter() bool {
	var cfg s3.Config
	if n, _ := fmt.Sscan(os.Getenv(putterEnv), &cfg.Endpoint, &cfg.AccessKey, &cfg.SecretKey, &cfg.Bucket); n != 4 {
		return false
	}
	id, err := cordon.ParseTargetID("killed")
	if err == nil {
		var s *s3.Store
		if s, err = s3.Open(cfg); err == nil {
			_, err = s3.WithLeastParts(s).Put(context.Background(), id, bytes.NewReader(numbered(upload5)), target.PutOptions{Size: upload5, Resume: true})
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func TestPartsOfOtherBytesAreRemovedAndTheNextPutBeginsAfresh(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	for name, differs := range map[string]int{"first": 5, "second": partBytes + 5} {
		t.Run(name, func(t *testing.T) {
			cfg := made(t, srv)
			body := numbered(upload5)
			breakOff(t, srv, cfg, "a", body, 3)
			body[differs] ^= 1
			s := s3.WithLeastParts(impatient(t, cfg, s3.Patience{Quiet: time.Nanosecond}))
			opts := target.PutOptions{Size: upload5, Resume: true}
			_, err := s.Put(t.Context(), parse(t, "a"), bytes.NewReader(body), opts)
			if cordon.KindOf(err) != cordon.Busy || !strings.Contains(cordon.FixOf(err), "again") {
				t.Errorf("Put = %v", err)
			}
			if left := unfinishedUploads(t, srv, cfg.Bucket, "a"); len(left) != 0 {
				t.Errorf("%d uploads are left", len(left))
			}
			if _, err := s.Put(t.Context(), parse(t, "a"), bytes.NewReader(body), opts); err != nil {
				t.Fatal(err)
			}
			wantStored(t, srv, cfg, "a", body)
		})
	}
}

func TestAPutWithResumeWhoseBytesFailKeepsNothing(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	s := uploader(t, cfg)
	body := numbered(upload5)
	broken := errors.New("the disk broke")
	for _, continued := range []bool{false, true} {
		if continued {
			breakOff(t, srv, cfg, "a", body, 2)
		}
		_, err := s.Put(t.Context(), parse(t, "a"), io.MultiReader(bytes.NewReader(body[:2*partBytes+1]), failing{broken}), target.PutOptions{Size: upload5, Resume: true})
		if !errors.Is(err, broken) {
			t.Errorf("Put = %v", err)
		}
		if continued {
			breakOff(t, srv, cfg, "a", body, 2)
		}
		_, merr := s.Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5, SHA256: strings.Repeat("0", 64), Resume: true})
		if cordon.KindOf(merr) != cordon.IntegrityMismatch {
			t.Errorf("Put = %v", merr)
		}
		if left := unfinishedUploads(t, srv, cfg.Bucket, "a"); len(left) != 0 {
			t.Errorf("%d uploads are left", len(left))
		}
		if _, err := s.Stat(t.Context(), parse(t, "a")); cordon.KindOf(err) != cordon.TargetNotFound {
			t.Errorf("Stat = %v", err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestOldUnfinishedUploadsOfATargetAreRemovedByThePutOfIt(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	core := minio.Core{Client: srv.Client(t)}
	begin := func(name string) {
		if _, err := core.NewMultipartUpload(t.Context(), cfg.Bucket, name+"/target", minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	body := numbered(upload5)
	begin("a")
	begin("ab")
	for _, c := range []struct {
		stale time.Duration
		left  int
	}{{time.Hour, 1}, {time.Nanosecond, 0}} {
		if _, err := s3.WithLeastParts(impatient(t, cfg, s3.Patience{Stale: c.stale})).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5, Resume: true}); err != nil {
			t.Fatal(err)
		}
		if left := unfinishedUploads(t, srv, cfg.Bucket, "a"); len(left) != c.left {
			t.Errorf("with %v, %d uploads are left, want %d", c.stale, len(left), c.left)
		}
	}
	if left := unfinishedUploads(t, srv, cfg.Bucket, "ab"); len(left) != 1 {
		t.Errorf("of another target %d uploads are left, want its own one", len(left))
	}
}

func TestTwoPutsWithResumeOfOneTargetAtOnceStoreItOrSayBusy(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	body := numbered(upload5)
	breakOff(t, srv, cfg, "a", body, 1) // both continue this one
	var wg sync.WaitGroup
	var stored atomic.Int32
	for range 2 {
		wg.Go(func() {
			_, err := uploader(t, cfg).Put(context.Background(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5, Resume: true})
			if err == nil {
				stored.Add(1)
			} else if cordon.KindOf(err) != cordon.Busy {
				t.Errorf("Put = %v", err)
			}
		})
	}
	wg.Wait()
	if stored.Load() == 0 {
		t.Fatal("neither stored it")
	}
	wantStored(t, srv, cfg, "a", body)
}

func TestAContinuedUploadNeverHasTheDigestOfTheOneThatBeganIt(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	first, second := numbered(upload5), numbered(upload5)
	second[upload5-1] ^= 1
	digest := func(b []byte) string {
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:])
	}
	for name, c := range map[string]struct {
		stated  string // of the second
		refuses bool   // to copy
	}{
		"another digest":                    {stated: digest(second)},
		"none":                              {},
		"another, and it cannot be changed": {stated: digest(second), refuses: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := made(t, srv)
			f := newFront(t, srv.Endpoint, holdingBack(2, func(w http.ResponseWriter, _ *http.Request) { answer(w, 403, "AccessDenied") }))
			if _, err := uploader(t, through(cfg, f.url)).Put(t.Context(), parse(t, "a"), bytes.NewReader(first), target.PutOptions{Size: upload5, SHA256: digest(first), Resume: true}); err == nil {
				t.Fatal("it did not break off")
			}
			f = newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, _ request, _ int, pass http.HandlerFunc) {
				if c.refuses && r.Header.Get("X-Amz-Copy-Source") != "" {
					answer(w, 403, "AccessDenied")
					return
				}
				pass(w, r)
			})
			s := uploader(t, through(cfg, f.url))
			opts := target.PutOptions{Size: upload5, SHA256: c.stated, Resume: true}
			info, err := s.Put(t.Context(), parse(t, "a"), bytes.NewReader(second), opts)
			if n := len(f.seen("PUT part")); n != 3 {
				t.Errorf("%d parts were sent", n)
			}
			if c.refuses {
				if cordon.KindOf(err) != cordon.Busy {
					t.Errorf("Put = %+v, %v", info, err)
				}
				if _, err := s.Stat(t.Context(), parse(t, "a")); cordon.KindOf(err) != cordon.TargetNotFound {
					t.Errorf("Stat = %v", err)
				}
				info, err = s.Put(t.Context(), parse(t, "a"), bytes.NewReader(second), opts)
			}
			stat, serr := s.Stat(t.Context(), parse(t, "a"))
			if err != nil || serr != nil || info.SHA256 != c.stated || stat != info {
				t.Errorf("Put = %+v, %v; Stat = %+v, %v", info, err, stat, serr)
			}
			wantStored(t, srv, cfg, "a", second)
		})
	}
}

func TestAnUploadThatSomebodyMayBeAtWorkOnIsLeftAlone(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	body, other := numbered(upload5), numbered(upload5)
	other[5] ^= 1
	breakOff(t, srv, cfg, "a", body, 3)
	s := uploader(t, cfg)
	_, err := s.Put(t.Context(), parse(t, "a"), bytes.NewReader(other), target.PutOptions{Size: upload5, Resume: true})
	if cordon.KindOf(err) != cordon.Busy || !strings.Contains(err.Error(), "left alone") {
		t.Errorf("Put = %v", err)
	}
	if left := unfinishedUploads(t, srv, cfg.Bucket, "a"); len(left) != 1 {
		t.Errorf("%d uploads are left", len(left))
	}
	if _, err := s.Put(t.Context(), parse(t, "a"), bytes.NewReader(other), target.PutOptions{Size: upload5}); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, s, "a")
	wantContent(t, got, other, err)
	f := newFront(t, srv.Endpoint, pass)
	if _, err := uploader(t, through(cfg, f.url)).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5, Resume: true}); err != nil {
		t.Fatal(err)
	}
	if n := len(f.seen("PUT part")); n != 2 {
		t.Errorf("%d parts were sent; three of five were there already", n)
	}
	wantStored(t, srv, cfg, "a", body)
}

func TestPartsAreKeptAlsoWhereTheFirstIsNotAmongThem(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	body := numbered(upload5)
	core := minio.Core{Client: srv.Client(t)}
	upload, err := core.NewMultipartUpload(t.Context(), cfg.Bucket, "a/target", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.PutObjectPart(t.Context(), cfg.Bucket, "a/target", upload, 5, bytes.NewReader(body[4*partBytes:]), upload5-4*partBytes, minio.PutObjectPartOptions{}); err != nil {
		t.Fatal(err)
	}
	f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, _ int, pass http.HandlerFunc) {
		if q.what == "PUT part" {
			answer(w, 403, "AccessDenied")
			return
		}
		pass(w, r)
	})
	if _, err := uploader(t, through(cfg, f.url)).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: upload5, Resume: true}); cordon.KindOf(err) != cordon.PermissionDenied {
		t.Errorf("Put = %v", err)
	}
	if left := unfinishedUploads(t, srv, cfg.Bucket, "a"); len(left) != 1 || left[0] != upload {
		t.Errorf("the uploads %q are left", left)
	}
}
