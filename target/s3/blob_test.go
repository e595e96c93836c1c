package s3_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
)

// twice puts a key two times if it is absent, and returns what each created.
func twice(t *testing.T, b target.Blobs, size int) (first, second bool) {
	t.Helper()
	var created [2]bool
	for i, letter := range []string{"a", "b"} {
		var err error
		if created[i], err = b.PutBlob(t.Context(), "x/y", strings.NewReader(strings.Repeat(letter, size)), int64(size), target.PutBlob{IfAbsent: true}); err != nil {
			t.Fatal(err)
		}
	}
	r, _, err := b.OpenBlob(t.Context(), "x/y")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || len(got) != size || strings.Trim(string(got), "a") != "" {
		t.Errorf("stored are %d bytes %.5q…, %v", len(got), got, err)
	}
	return created[0], created[1]
}

func TestAServerThatDoesNotKnowTheConditionStillKeepsWhatIsThere(t *testing.T) {
	srv := miniotest.Start(t)
	refused := 0
	f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, nth int, pass http.HandlerFunc) {
		if r.Header.Get("If-None-Match") != "" {
			refused++ // one request at a time has it
			answer(w, 501, "NotImplemented")
			return
		}
		pass(w, r)
	})
	for _, size := range []int{10, 17 << 20} {
		cfg := fresh(t, srv)
		if first, second := twice(t, open(t, through(cfg, f.url)), size); !first || second {
			t.Errorf("%d bytes: created %v, then %v", size, first, second)
		}
	}
	if refused == 0 {
		t.Error("no request had the condition")
	}
}

func TestAPutWhoseAnswerWasLostKnowsThatItCreatedTheBlob(t *testing.T) {
	srv := miniotest.Start(t)
	lost := map[string]bool{}
	f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, nth int, pass http.HandlerFunc) {
		if r.Header.Get("If-None-Match") != "" && !lost[q.what] {
			lost[q.what] = true
			pass(discard{http.Header{}}, r)
			panic(http.ErrAbortHandler)
		}
		pass(w, r)
	})
	for _, size := range []int{10, 17 << 20} {
		cfg := fresh(t, srv)
		makeBucket(t, srv, cfg.BlobsBucket)
		if first, second := twice(t, open(t, through(cfg, f.url)), size); !first || second {
			t.Errorf("%d bytes: created %v, then %v", size, first, second)
		}
	}
	if len(lost) != 2 {
		t.Errorf("answers were lost to %v", lost)
	}
}

// discard is where an answer goes that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func makeBucket(t *testing.T, srv miniotest.Server, name string) {
	t.Helper()
	if err := srv.Client(t).MakeBucket(t.Context(), name, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestBlobsWithoutAccessArePermissionDenied(t *testing.T) {
	srv := miniotest.Start(t)
	cfg := fresh(t, srv)
	cfg.SecretKey = "not-the-secret-key"
	s := open(t, cfg)
	_, perr := s.PutBlob(t.Context(), "a", strings.NewReader("x"), 1, target.PutBlob{})
	_, aerr := s.PutBlob(t.Context(), "a", strings.NewReader("x"), 1, target.PutBlob{IfAbsent: true})
	_, _, oerr := s.OpenBlob(t.Context(), "a")
	var lerr error
	for _, lerr = range s.ListBlobs(t.Context(), "") {
	}
	for what, err := range map[string]error{"put": perr, "put if absent": aerr, "open": oerr, "list": lerr, "remove": s.RemoveBlob(t.Context(), "a")} {
		if cordon.KindOf(err) != cordon.PermissionDenied {
			t.Errorf("%s: %v", what, err)
		}
	}
}
