package s3_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/retention"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/s3test"
)

// manyParts is more than four of the parts that an upload is sent in, in bytes, and
// no multiple of one.
const manyParts = 80<<20 + 4321

// trials are what the workspaces' engine and the clients rely on beyond the store's
// own definition, which a server may do in its own way.
var trials = []struct {
	name string
	test func(t *testing.T, srv s3test.Server)
}{
	{"a large object goes up in parts, breaks off, goes on where it was, and comes down in parts", func(t *testing.T, srv s3test.Server) {
		cfg := made(t, srv.Server)
		body := numbered(manyParts)
		refused := newFront(t, srv.Endpoint, holdingBack(3, func(w http.ResponseWriter, _ *http.Request) { answer(w, 403, "AccessDenied") }))
		put := target.PutOptions{Size: manyParts, Resume: true}
		if _, err := open(t, through(cfg, refused.url)).Put(t.Context(), parse(t, "large"), bytes.NewReader(body), put); cordon.KindOf(err) != cordon.PermissionDenied {
			t.Fatalf("Put = %v, want what the server says", err)
		}
		f := newFront(t, srv.Endpoint, pass)
		s := open(t, through(cfg, f.url))
		info, err := s.Put(t.Context(), parse(t, "large"), bytes.NewReader(body), put)
		if err != nil || info.Size != manyParts || !strings.HasSuffix(info.ETag, "-6") || info.Modified.IsZero() {
			t.Fatalf("Put = %+v, %v; want six parts", info, err)
		}
		if n := len(f.seen("PUT part")); n != 3 {
			t.Errorf("%d parts were sent; three of six were there already", n)
		}
		r, _, err := s.Open(t.Context(), parse(t, "large"), info.ETag)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes came back, %v; want the %d that were put", len(got), err, len(body))
		}
		ranged := 0
		for _, q := range f.seen("GET") {
			if q.ranged {
				ranged++
			}
		}
		if ranged < 2 {
			t.Errorf("%d parts of it were asked for", ranged)
		}
	}},
	{"a download that breaks off goes on from there", func(t *testing.T, srv s3test.Server) {
		cfg := made(t, srv.Server)
		body := numbered(3 << 20)
		if _, err := open(t, cfg).Put(t.Context(), parse(t, "a"), bytes.NewReader(body), target.PutOptions{Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, nth int, pass http.HandlerFunc) {
			if q.what == "GET" && nth == 1 {
				pass(&breaking{ResponseWriter: w, left: 1 << 20}, r)
				return
			}
			pass(w, r)
		})
		r, _, err := open(t, through(cfg, f.url)).Open(t.Context(), parse(t, "a"), "")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes came back, %v", len(got), err)
		}
		gets := f.seen("GET")
		if len(gets) < 2 || gets[len(gets)-1].from == 0 || gets[len(gets)-1].match == "" {
			t.Errorf("asked for were %+v; want the rest, of the same version", gets)
		}
	}},
	{"an old version is known by its ETag and refused once it is replaced", func(t *testing.T, srv s3test.Server) {
		s := open(t, made(t, srv.Server))
		old, err := s.Put(t.Context(), parse(t, "a"), strings.NewReader("old"), target.PutOptions{Size: 3})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), parse(t, "a"), strings.NewReader("new"), target.PutOptions{Size: 3}); err != nil {
			t.Fatal(err)
		}
		r, _, err := s.Open(t.Context(), parse(t, "a"), old.ETag)
		if err == nil {
			_, err = io.ReadAll(r)
			r.Close()
		}
		if !target.IsReplaced(err) {
			t.Errorf("reading the old version: %v", err)
		}
	}},
	{"a result is at its URL, with its type, whatever became of its metadata", func(t *testing.T, srv s3test.Server) {
		cfg := made(t, srv.Server)
		cfg.Endpoint += "/" // as people write it
		s := open(t, cfg)
		u, err := s.PutResult(t.Context(), "wf-1", "sarif", []byte(`{"runs":[]}`))
		if want := srv.Endpoint + "/" + cfg.ResultsBucket + "/wf-1/results.sarif"; err != nil || u != want {
			t.Fatalf("PutResult = %q, %v; want %q", u, err, want)
		}
		client := srv.Client(t)
		signed, err := client.PresignedGetObject(t.Context(), cfg.ResultsBucket, "wf-1/results.sarif", time.Minute, nil)
		if err != nil {
			t.Fatal(err)
		}
		if path := strings.TrimPrefix(u, srv.Endpoint); signed.Path != path {
			t.Fatalf("a client asks for %s, the URL is %s", signed.Path, path)
		}
		resp, err := http.Get(signed.String())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || string(body) != `{"runs":[]}` || resp.Header.Get("Content-Type") != "application/sarif+json" {
			t.Errorf("at the URL are %d, %q of type %q, %v", resp.StatusCode, body, resp.Header.Get("Content-Type"), err)
		}
		o, err := client.StatObject(t.Context(), cfg.ResultsBucket, "wf-1/results.sarif", minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// Ceph 16 spells the underscore as a hyphen.
		id := o.Metadata.Get("X-Amz-Meta-Workflow_id") + o.Metadata.Get("X-Amz-Meta-Workflow-Id")
		if id != "wf-1" || o.Metadata.Get("X-Amz-Meta-Format") != "sarif" {
			t.Errorf("its metadata is %v", o.Metadata)
		}
	}},
	{"what is too old goes, and what is not stays", func(t *testing.T, srv s3test.Server) {
		s := open(t, made(t, srv.Server))
		if _, err := s.PutResult(t.Context(), "wf-1", "json", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if report, err := retention.Expire(t.Context(), s, retention.Options{Ages: retention.Ages{Results: time.Hour}}); err != nil || report.Results != 0 {
			t.Errorf("Expire = %+v, %v; the result is new", report, err)
		}
		time.Sleep(2 * time.Second) // servers' times are whole seconds
		if report, err := retention.Expire(t.Context(), s, retention.Options{Ages: retention.Ages{Results: time.Second}}); err != nil || report.Results != 1 {
			t.Errorf("Expire = %+v, %v; the result is older than a second", report, err)
		}
	}},
	{"the endpoint is a host and port, with a scheme or without, which wins over UseSSL", func(t *testing.T, srv s3test.Server) {
		cfg := made(t, srv.Server)
		hostport := strings.TrimPrefix(srv.Endpoint, "http://")
		for endpoint, ssl := range map[string]bool{hostport: false, "http://" + hostport: true, "HTTP://" + hostport + "/": true, " " + hostport: false} {
			cfg.Endpoint, cfg.UseSSL = endpoint, ssl
			if _, err := open(t, cfg).Stat(t.Context(), parse(t, "none")); cordon.KindOf(err) != cordon.TargetNotFound {
				t.Errorf("%q, UseSSL %v: %v", endpoint, ssl, err)
			}
		}
		cfg.Endpoint, cfg.UseSSL = hostport, true
		if _, err := open(t, cfg).Stat(t.Context(), parse(t, "none")); cordon.KindOf(err) != cordon.StorageUnavailable || !strings.Contains(cordon.FixOf(err), "http://") {
			t.Errorf("UseSSL and a server without TLS: %v", err)
		}
	}},
}

// breaking breaks the connection after so many bytes of the answer.
type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	if len(p) > b.left {
		_, _ = b.ResponseWriter.Write(p[:b.left]) // it ends here in any case
		panic(http.ErrAbortHandler)
	}
	b.left -= len(p)
	return b.ResponseWriter.Write(p)
}
