package s3_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// front is an HTTP proxy before the real server, which sees every request.
type front struct {
	url string

	mu       sync.Mutex
	requests []request
	now      map[string]int // requests that are under way, by what
	most     map[string]int // the most of them at once
}

// request is what was asked for.
type request struct {
	what     string // "GET", "PUT part", "complete", "begin", "abort", "list uploads", "list parts" or the method
	part     int
	from, to int64 // of the Range, if there was one
	ranged   bool
	match    string // If-Match
}

// newFront returns a proxy that lets act decide on each request: act either
// calls pass or answers itself. nth counts the requests for the same, from 1.
func newFront(t *testing.T, endpoint string, act func(w http.ResponseWriter, r *http.Request, q request, nth int, pass http.HandlerFunc)) *front {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{now: map[string]int{}, most: map[string]int{}}
	transport := &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true}
	quiet := log.New(io.Discard, "", 0) // broken connections are what is tested
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorLog:  quiet,
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := read(r)
		nth := f.enter(q)
		defer f.leave(q)
		act(w, r, q, nth, proxy.ServeHTTP)
	}))
	srv.Config.ErrorLog = quiet
	srv.Start()
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close(); transport.CloseIdleConnections() })
	f.url = srv.URL
	return f
}

// pass lets everything through.
func pass(w http.ResponseWriter, r *http.Request, _ request, _ int, pass http.HandlerFunc) {
	pass(w, r)
}

func read(r *http.Request) request {
	v := r.URL.Query()
	q := request{what: r.Method, match: r.Header.Get("If-Match")}
	q.part, _ = strconv.Atoi(v.Get("partNumber")) // 0 where there is none
	if s, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		from, to, _ := strings.Cut(s, "-")
		q.from, _ = strconv.ParseInt(from, 10, 64)
		q.to, _ = strconv.ParseInt(to, 10, 64)
		q.ranged = true
	}
	switch {
	case r.Method == "PUT" && q.part > 0:
		q.what = "PUT part"
	case r.Method == "POST" && v.Has("uploads"):
		q.what = "begin"
	case r.Method == "POST":
		q.what = "complete"
	case r.Method == "DELETE" && v.Has("uploadId"):
		q.what = "abort"
	case r.Method == "GET" && v.Has("uploads"):
		q.what = "list uploads"
	case r.Method == "GET" && v.Has("uploadId"):
		q.what = "list parts"
	}
	return q
}

func (f *front) enter(q request) (nth int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, q)
	f.now[q.what]++
	f.most[q.what] = max(f.most[q.what], f.now[q.what])
	for _, r := range f.requests {
		if r.what == q.what {
			nth++
		}
	}
	return nth
}

func (f *front) leave(q request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now[q.what]--
}

// seen returns the requests for what, in their order.
func (f *front) seen(what string) (all []request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if r.what == what {
			all = append(all, r)
		}
	}
	return all
}

// atOnce returns how many requests for what were under way at the same time, at most.
func (f *front) atOnce(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most[what]
}

// answer answers as an S3 server does that refuses.
func answer(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>as the test wants it</Message></Error>") // the client may be gone
}

// through returns cfg with the endpoint url.
func through(cfg s3.Config, url string) s3.Config {
	cfg.Endpoint = url
	return cfg
}

// impatient opens a store that gives up soon.
func impatient(t *testing.T, cfg s3.Config, p s3.Patience) *s3.Store {
	t.Helper()
	s, err := s3.OpenImpatient(cfg, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// large is an object of several parts, which all tests share that only read it.
var large struct {
	sync.Once
	cfg  s3.Config
	body []byte
}

const largeSize = 40<<20 + 4321 // bytes

// largeObject returns the configuration of a store on srv with the target "large".
func largeObject(t *testing.T, srv miniotest.Server) (s3.Config, []byte) {
	t.Helper()
	large.Do(func() {
		large.cfg, large.body = made(t, srv), numbered(largeSize)
		plant(t, srv.Client(t), large.cfg.Bucket, "large/target", large.body)
	})
	return large.cfg, large.body
}
