package s3_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

func TestADeadServerIsStorageUnavailableWithItsAddress(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s := open(t, s3.Config{Endpoint: addr, AccessKey: "k", SecretKey: "hunter2"})
	began := time.Now()
	_, serr := s.Stat(t.Context(), parse(t, "fw"))
	_, _, oerr := s.Open(t.Context(), parse(t, "fw"), "")
	_, prerr := s.PutResult(t.Context(), "wf", "json", []byte("{}"))
	if d := time.Since(began); d > 30*time.Second {
		t.Errorf("three calls took %v", d)
	}
	for _, err := range []error{serr, oerr, prerr} {
		if cordon.KindOf(err) != cordon.StorageUnavailable || !strings.Contains(err.Error(), "http://"+addr) || !strings.Contains(err.Error(), "S3_ENDPOINT") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v (kind %q)", err, cordon.KindOf(err))
		}
	}
}

func TestWhatAServerAnswersDecidesTheKind(t *testing.T) {
	t.Parallel()
	xml := func(code string) string {
		return fmt.Sprintf("<Error><Code>%s</Code><Message>as it pleases</Message></Error>", code)
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   cordon.Kind
		says   string
	}{
		{"SlowDown", 503, xml("SlowDown"), cordon.StorageUnavailable, "SlowDown"},
		{"an internal error", 500, xml("InternalError"), cordon.StorageUnavailable, "InternalError"},
		{"a gateway's page", 502, "<html>bad gateway</html>", cordon.StorageUnavailable, "502"},
		{"access denied", 403, xml("AccessDenied"), cordon.PermissionDenied, "AccessDenied"},
		{"a refusal without a body", 403, "", cordon.PermissionDenied, "403"},
		{"an unknown access key", 403, xml("InvalidAccessKeyId"), cordon.PermissionDenied, "S3_ACCESS_KEY"},
		{"a wrong signature", 403, xml("SignatureDoesNotMatch"), cordon.PermissionDenied, "S3_SECRET_KEY"},
		{"a wrong clock", 403, xml("RequestTimeTooSkewed"), cordon.PermissionDenied, "clock"},
		{"another region", 400, xml("AuthorizationHeaderMalformed"), cordon.PermissionDenied, "S3_REGION"},
		{"no such key", 404, xml("NoSuchKey"), cordon.TargetNotFound, "fw/target"},
		{"no such bucket", 404, xml("NoSuchBucket"), cordon.TargetNotFound, `bucket "targets"`},
		{"something that is not S3", 200, "<html>hello</html>", cordon.StorageUnavailable, "S3"},
		{"a redirect in a circle", 301, xml("PermanentRedirect"), cordon.PermissionDenied, "S3_REGION"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodHead && c.says == "fw/target" {
					return // the bucket is there
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body) // the client may not want it
			}))
			t.Cleanup(srv.Close)
			s := impatient(t, s3.Config{Endpoint: srv.URL, AccessKey: "k", SecretKey: "s"}, s3.Patience{Progress: 200 * time.Millisecond})
			_, _, err := s.Open(t.Context(), parse(t, "fw"), "")
			if cordon.KindOf(err) != c.want || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v has kind %q; want %q and the words %q", err, cordon.KindOf(err), c.want, c.says)
			}
		})
	}
}

// The first call of every fetch is a HEAD, whose answer has no body: what a
// server says of a wrong region is then in its status and one header alone.
func TestAnAnswerWithoutABodySaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		region string
		says   string
	}{
		{"a bucket of another region, asked for at the wrong endpoint", 301, "eu-west-1", `set S3_REGION to "eu-west-1"`},
		{"a bucket of another region, asked for with a signature for this one", 400, "eu-west-1", `set S3_REGION to "eu-west-1"`},
		{"a redirect while a new bucket's name spreads", 307, "eu-west-1", `set S3_REGION to "eu-west-1"`},
		{"refused, for whatever reason", 403, "us-east-1", "S3_SECRET_KEY"},
		{"refused, in whatever region", 403, "", "S3_SECRET_KEY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.region != "" {
					w.Header().Set("x-amz-bucket-region", c.region)
				}
				w.WriteHeader(c.status)
			}))
			t.Cleanup(srv.Close)
			s := open(t, s3.Config{Endpoint: srv.URL, AccessKey: "k", SecretKey: "s", Region: "us-east-1"})
			_, err := s.Stat(t.Context(), parse(t, "fw"))
			if cordon.KindOf(err) != cordon.PermissionDenied || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v has kind %q; want %q and the words %q", err, cordon.KindOf(err), cordon.PermissionDenied, c.says)
			}
		})
	}
}

func TestAnotherVersionIsNoticedAlsoWhereIfMatchIsNotHeeded(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"new"`)
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		_, _ = io.WriteString(w, "new content") // the client may not want it
	}))
	t.Cleanup(srv.Close)
	s := open(t, s3.Config{Endpoint: srv.URL, AccessKey: "k", SecretKey: "s"})
	if _, _, err := s.Open(t.Context(), parse(t, "fw"), "old"); !target.IsReplaced(err) {
		t.Errorf("Open = %v, want the error of a replaced version", err)
	}
	if _, info, err := s.Open(t.Context(), parse(t, "fw"), "new"); err != nil || info.ETag != "new" {
		t.Errorf("Open of the version that is there = %+v, %v", info, err)
	}
}

func TestAServerThatIsBusyForAMomentIsAskedAgain(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	if _, err := open(t, cfg).Put(t.Context(), parse(t, "fw"), strings.NewReader("x"), target.PutOptions{Size: 1}); err != nil {
		t.Fatal(err)
	}
	to, _ := url.Parse(srv.Endpoint)
	var calls atomic.Int32
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(busy.Close)
	cfg.Endpoint = busy.URL
	if _, err := open(t, cfg).Stat(t.Context(), parse(t, "fw")); err != nil {
		t.Errorf("Stat = %v after %d calls", err, calls.Load())
	}
}

func TestHTTPSToAServerThatSpeaksHTTPSaysWhatToDo(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	s := open(t, s3.Config{Endpoint: strings.Replace(srv.URL, "http:", "https:", 1), AccessKey: "k", SecretKey: "s"})
	if _, err := s.Stat(t.Context(), parse(t, "fw")); cordon.KindOf(err) != cordon.StorageUnavailable || !strings.Contains(cordon.FixOf(err), "http://") {
		t.Errorf("Stat = %v", err)
	}
}

func TestHTTPToAServerThatSpeaksTLSSaysWhatToDo(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	s := open(t, s3.Config{Endpoint: strings.Replace(srv.URL, "https:", "http:", 1), AccessKey: "k", SecretKey: "s"})
	if _, err := s.Stat(t.Context(), parse(t, "fw")); cordon.KindOf(err) != cordon.StorageUnavailable || !strings.Contains(cordon.FixOf(err), "https://") {
		t.Errorf("Stat = %v", err)
	}
}

func TestACertificateOfAnUnknownAuthoritySaysWhatToDo(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	s := open(t, s3.Config{Endpoint: srv.URL, AccessKey: "k", SecretKey: "s"})
	if _, err := s.Stat(t.Context(), parse(t, "fw")); cordon.KindOf(err) != cordon.StorageUnavailable || !strings.Contains(cordon.FixOf(err), "SSL_CERT_FILE") {
		t.Errorf("Stat = %v", err)
	}
}

func TestAServerThatStopsReadingAnUploadIsGivenUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close() // held open, never read
		}
	}()
	s, err := s3.OpenImpatient(s3.Config{Endpoint: l.Addr().String(), AccessKey: "k", SecretKey: "s"}, s3.Patience{Header: time.Minute, Stall: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	const size = 15 << 20 // more than the kernel's buffers hold
	_, err = s.Put(t.Context(), parse(t, "fw"), io.LimitReader(zeros{}, size), target.PutOptions{Size: size})
	if cordon.KindOf(err) != cordon.StorageUnavailable || time.Since(began) > 10*time.Second {
		t.Errorf("Put = %v after %v", err, time.Since(began))
	}
}
