package pack_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// parted is the store of a server behind a proxy that counts the parts of uploads
// which get there. hold, while it is not nil, is called in place of passing on the
// part of that number.
type parted struct {
	*s3.Store
	number string
	hold   atomic.Pointer[func()]
	passed atomic.Int32
}

func behind(t *testing.T, srv miniotest.Server, number string) *parted {
	t.Helper()
	to, err := url.Parse(srv.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &parted{number: number}
	transport := &http.Transport{DisableCompression: true}
	quiet := log.New(io.Discard, "", 0) // broken connections are what is tested
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorLog:  quiet,
	}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part := r.URL.Query().Get("partNumber")
		if hold := p.hold.Load(); hold != nil && part == p.number {
			(*hold)()
			_, _ = io.Copy(io.Discard, r.Body) // a server sees only behind the body that nobody waits any more
			<-r.Context().Done()
			return
		}
		proxy.ServeHTTP(w, r)
		if part != "" && r.Context().Err() == nil {
			p.passed.Add(1)
		}
	}))
	front.Config.ErrorLog = quiet
	front.Start()
	t.Cleanup(func() { front.CloseClientConnections(); front.Close(); transport.CloseIdleConnections() })
	p.Store, err = s3.Open(s3.Config{Endpoint: front.URL, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey, Bucket: srv.MakeBucket(t)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The object has five parts of 16 MiB, of which a Put has 64 MiB in memory: the
// last one begins only after another one is through.
func TestAnUploadToMinIOThatWasCancelledIsContinuedAndWhole(t *testing.T) {
	const parts, bytes = 5, 66 << 20
	st := behind(t, miniotest.Start(t), "5")
	root := tree(t, map[string]string{"noise": string(noise(bytes - 1000)), "dir/text": "x", "link": "-> noise"})

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop := func() { cancel() }
	st.hold.Store(&stop)
	s := open(t, root)
	var last int64
	_, _, err := s.Upload(ctx, st, func(done, _ int64) { last = done })
	if !errors.Is(err, context.Canceled) || cordon.KindOf(err) != "" {
		t.Fatalf("the Upload that is cancelled = %v", err)
	}
	sum, err := s.Hash(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if last < 16<<20 || last > sum.UploadSize {
		t.Errorf("its progress came to %d bytes of %d", last, sum.UploadSize)
	}
	if _, err := st.Stat(t.Context(), sum.ID); cordon.KindOf(err) != cordon.TargetNotFound {
		t.Errorf("after it there is something: %v", err)
	}

	st.hold.Store(nil)
	st.passed.Store(0)
	info, existed, err := open(t, root).Upload(t.Context(), st, func(done, _ int64) { last = done })
	if err != nil || existed || info.SHA256 != sum.SHA256 || last != sum.UploadSize {
		t.Fatalf("the next Upload = %+v, %v, %v; its progress came to %d bytes of %d", info, existed, err, last, sum.UploadSize)
	}
	if n := st.passed.Load(); n < 1 || n >= parts {
		t.Errorf("it sent %d parts of %d, some of which were there already", n, parts)
	}
	r, got, err := st.Open(t.Context(), sum.ID, info.ETag)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h := sha256.New()
	if n, err := io.Copy(h, r); err != nil || n != sum.UploadSize || hex.EncodeToString(h.Sum(nil)) != sum.SHA256 || got.SHA256 != sum.SHA256 {
		t.Errorf("stored are %d bytes with the digest %x, stated is %q, want %d and %s; %v", n, h.Sum(nil), got.SHA256, sum.UploadSize, sum.SHA256, err)
	}
	if _, existed, err := open(t, root).Upload(t.Context(), st, nil); err != nil || !existed {
		t.Errorf("the third Upload = %v, %v; it is stored", existed, err)
	}
}
