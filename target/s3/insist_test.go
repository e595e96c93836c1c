package s3_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
)

// MinIO refuses a put whose folder goes away with a neighbour in the same instant.
func TestAPutThatIsRefusedInPassingIsStored(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	for _, c := range []struct {
		name  string
		times int
		want  cordon.Kind
	}{
		{"in passing", 2, ""},
		{"for good", 1000, cordon.PermissionDenied},
	} {
		f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, nth int, pass http.HandlerFunc) {
			if q.what == "PUT" && nth <= c.times {
				answer(w, 403, "AccessDenied")
				return
			}
			pass(w, r)
		})
		created, err := open(t, through(cfg, f.url)).PutBlob(t.Context(), "a/"+target.BlobName(c.name), strings.NewReader("x"), 1, target.PutBlob{IfAbsent: true})
		if cordon.KindOf(err) != c.want || created != (err == nil) {
			t.Errorf("%s: %v, %v", c.name, created, err)
		}
		if n := len(f.seen("PUT")); c.want != "" && n > 5 {
			t.Errorf("%s: it was asked %d times", c.name, n)
		}
	}
}
