package s3_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
			s := open(t, s3.Config{Endpoint: srv.URL, AccessKey: "k", SecretKey: "s"})
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

func TestABodyThatBreaksOffIsReadOnFromThere(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	for name, cut := range map[string]bool{"cut": true, "stalled": false} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, srv.Endpoint, cut)
			s := stored(t, srv, w, 700*time.Millisecond)
			w.limit.Store(3 << 20) // three connections for the 8 MiB
			r, info, err := s.Open(t.Context(), parse(t, "fw"), "")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got := sha256.New()
			if n, err := io.Copy(got, r); err != nil || n != info.Size {
				t.Errorf("%d of %d bytes came: %v", n, info.Size, err)
			}
			if hex.EncodeToString(got.Sum(nil)) != storedDigest {
				t.Error("they are not those of the object")
			}
		})
	}
}

func TestABodyThatBreaksOffForGoodIsStorageUnavailableWithHowFarItCame(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	for name, cut := range map[string]bool{"closed the connection": true, "timeout": false} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, srv.Endpoint, cut)
			s := stored(t, srv, w, 700*time.Millisecond)
			w.limit.Store(1 << 20)
			r, info, err := s.Open(t.Context(), parse(t, "fw"), "")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			n, err := io.CopyN(io.Discard, r, 900<<10)
			if err != nil {
				t.Fatal(err)
			}
			w.limit.Store(0)
			more, err := io.Copy(io.Discard, r)
			n += more
			if n >= info.Size {
				t.Errorf("%d of %d bytes came", n, info.Size)
			}
			if cordon.KindOf(err) != cordon.StorageUnavailable || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), fmt.Sprintf("%d of %d bytes", n, info.Size)) {
				t.Errorf("after %d bytes the read ended with %v", n, err)
			}
			if _, again := r.Read(make([]byte, 1)); !errors.Is(again, err) {
				t.Errorf("the next Read says %v", again)
			}
		})
	}
}

func TestAnObjectThatIsReplacedWhileItsReadIsBrokenIsReplaced(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	w := newWire(t, srv.Endpoint, true)
	cfg := made(t, srv)
	id := parse(t, "fw")
	body := strings.Repeat("x", 4<<20)
	if _, err := open(t, cfg).Put(t.Context(), id, strings.NewReader(body), target.PutOptions{Size: int64(len(body))}); err != nil {
		t.Fatal(err)
	}
	there := cfg
	cfg.Endpoint = "http://" + w.addr
	w.limit.Store(1 << 20)
	r, _, err := open(t, cfg).Open(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 900<<10)); err != nil { // the connection is about to break
		t.Fatal(err)
	}
	if _, err := open(t, there).Put(t.Context(), id, strings.NewReader("new"), target.PutOptions{Size: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); !target.IsReplaced(err) {
		t.Errorf("the read ended with %v, want the error of a replaced version", err)
	}
}

func TestAReadThatStallsEndsAtOnceWhenItIsCancelled(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	w := newWire(t, srv.Endpoint, false)
	s := stored(t, srv, w, time.Minute)
	w.limit.Store(1 << 20)
	ctx, cancel := context.WithCancel(t.Context())
	r, _, err := s.Open(ctx, parse(t, "fw"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	time.AfterFunc(100*time.Millisecond, cancel)
	began := time.Now()
	_, err = io.Copy(io.Discard, r)
	if !errors.Is(err, context.Canceled) || time.Since(began) > 3*time.Second {
		t.Errorf("the read ended with %v after %v", err, time.Since(began))
	}
}

func TestAServerThatAcceptsAndIsSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	w := newWire(t, srv.Endpoint, false)
	s := stored(t, srv, w, 200*time.Millisecond)
	w.limit.Store(0)
	began := time.Now()
	_, err := s.Stat(t.Context(), parse(t, "fw"))
	if cordon.KindOf(err) != cordon.StorageUnavailable || time.Since(began) > 10*time.Second {
		t.Errorf("Stat = %v after %v", err, time.Since(began))
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

func TestCancellingACallToASilentServerReturnsAtOnce(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	w := newWire(t, srv.Endpoint, false)
	s := stored(t, srv, w, time.Minute)
	w.limit.Store(0)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := s.Stat(ctx, parse(t, "fw"))
	if !errors.Is(err, context.DeadlineExceeded) || cordon.KindOf(err) != "" || time.Since(began) > 3*time.Second {
		t.Errorf("Stat = %v after %v", err, time.Since(began))
	}
}
