package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/worker/web"
)

const token = "correct-horse-battery-staple"

// house is a served worker: pages that say who sees them, and count what is changed.
type house struct {
	*web.Server
	changes atomic.Int32
	health  atomic.Pointer[web.Health]
}

func open(t *testing.T, opts web.Options) *house {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	h := &house{}
	h.health.Store(&web.Health{Live: true, Started: true})
	var err error
	if h.Server, err = web.Listen(opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	pages := http.NewServeMux()
	pages.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "page %s, may change %t", r.URL.RequestURI(), web.AccessOf(r).Bears)
	})
	pages.HandleFunc("POST /pin", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		h.changes.Add(1)
	})
	pages.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "one")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	h.Serve(web.Handlers{Pages: pages,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "cordon_up 1") }),
		Health:  func() web.Health { return *h.health.Load() },
	})
	return h
}

// call is a request, and what is expected of its answer.
type call struct {
	method, path string
	host         string // Host; "": the address
	header       map[string]string
	body         string

	status int
	words  string // in the body, or in the Location
}

func (c call) do(t *testing.T, addr string, client *http.Client) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+addr+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = c.host
	for k, v := range c.header {
		req.Header.Set(k, v)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != c.status || !strings.Contains(string(body)+resp.Header.Get("Location"), c.words) {
		t.Errorf("%s %s of %q, %v: %d %q (Location %q), want %d and %q", c.method, c.path, c.host, c.header, resp.StatusCode, body, resp.Header.Get("Location"), c.status, c.words)
	}
	return resp
}

// direct is a client that follows nothing and keeps nothing.
var direct = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func TestWhoMayDoWhat(t *testing.T) {
	bearer := map[string]string{"Authorization": "Bearer " + token}
	wrong := map[string]string{"Authorization": "Bearer " + token + "r"}
	browser := map[string]string{"Accept": "text/html,*/*"}
	for name, c := range map[string]struct {
		opts  web.Options
		calls []call
	}{
		"on a loopback address without a token everything can be read and nothing changed": {web.Options{Addr: "127.0.0.1:0"}, []call{
			{method: "GET", path: "/x?y=1", status: 200, words: "page /x?y=1, may change false"},
			{method: "GET", path: "/x", host: "localhost:8234", status: 200},
			{method: "GET", path: "/x", host: "cordon.localhost", status: 200},
			{method: "GET", path: "/x", host: "[::1]:8234", status: 200},
			{method: "HEAD", path: "/x", status: 200},
			{method: "GET", path: "/metrics", status: 200, words: "cordon_up 1"},
			{method: "GET", path: "/healthz", status: 200, words: `"status":"ok"`},
			{method: "POST", path: "/pin", status: 403, words: "Read-only"},
			{method: "POST", path: "/pin", header: bearer, status: 403, words: "Read-only"},
			{method: "GET", path: "/login", status: 404, words: "no token"},
			{method: "POST", path: "/login", status: 403},
			{method: "GET", path: "/debug/pprof/", status: 200, words: "page /debug/pprof/"}, // of the pages: there is none
		}},
		"on a loopback address another host's name is a stranger": {web.Options{Addr: "127.0.0.1:0"}, []call{
			{method: "GET", path: "/x", host: "evil.example", status: 403, words: "ask for localhost"},
			{method: "GET", path: "/x", host: "127.0.0.1.evil.example:8234", status: 403},
			{method: "GET", path: "/x", host: "localhost.evil.example", status: 403},
			{method: "GET", path: "/x", host: "192.168.1.7", status: 403},
			{method: "GET", path: "/metrics", host: "evil.example", status: 403},
		}},
		"with a token who bears it changes, under any name": {web.Options{Addr: "127.0.0.1:0", Token: token}, []call{
			{method: "GET", path: "/x", status: 200, words: "may change false"},
			{method: "GET", path: "/x", header: bearer, status: 200, words: "may change true"},
			{method: "GET", path: "/x", host: "proxy.example", header: bearer, status: 200},
			{method: "GET", path: "/x", host: "proxy.example", status: 401},
			{method: "GET", path: "/x", host: "proxy.example", header: browser, status: 303, words: "/login?next=%2Fx"},
			{method: "POST", path: "/pin", status: 401, words: "WORKER_HTTP_TOKEN"},
			{method: "POST", path: "/pin", header: wrong, status: 401},
			{method: "POST", path: "/pin", header: map[string]string{"Authorization": token}, status: 401},
			{method: "POST", path: "/pin", header: map[string]string{"Authorization": "Bearer"}, status: 401},
			{method: "POST", path: "/pin", header: map[string]string{"Cookie": "cordon=99999999999." + token}, status: 401},
			{method: "POST", path: "/pin", header: map[string]string{"Cookie": "cordon="}, status: 401},
			{method: "POST", path: "/pin", header: bearer, status: 200},
			{method: "POST", path: "/pin", header: bearer, body: strings.Repeat("x", 2<<20), status: 413},
		}},
		"what another site's page sends changes nothing": {web.Options{Addr: "127.0.0.1:0", Token: token}, []call{
			{method: "POST", path: "/pin", header: map[string]string{"Authorization": "Bearer " + token, "Sec-Fetch-Site": "cross-site"}, status: 403, words: "another site"},
			{method: "POST", path: "/pin", header: map[string]string{"Authorization": "Bearer " + token, "Origin": "http://evil.example"}, status: 403},
			{method: "POST", path: "/login", header: map[string]string{"Origin": "http://evil.example"}, status: 403},
			{method: "POST", path: "/pin", header: map[string]string{"Authorization": "Bearer " + token, "Sec-Fetch-Site": "same-origin"}, status: 200},
		}},
		"on any other address nothing but health and metrics is shown without the token": {web.Options{Addr: "0.0.0.0:0", Token: token, Pprof: true}, []call{
			{method: "GET", path: "/x", status: 401},
			{method: "GET", path: "/", header: browser, status: 303, words: "/login?next=%2F"},
			{method: "GET", path: "/x", host: "worker.example", header: bearer, status: 200},
			{method: "GET", path: "/metrics", host: "worker.example", status: 200},
			{method: "GET", path: "/healthz", host: "worker.example", status: 200},
			{method: "GET", path: "/readyz", host: "worker.example", status: 200},
			{method: "POST", path: "/metrics", status: 401},
			{method: "GET", path: "/debug/pprof/heap", status: 401},
			{method: "GET", path: "/debug/pprof/heap?debug=1", header: bearer, status: 200, words: "heap profile"},
			{method: "GET", path: "/debug/pprof/", header: bearer, status: 200, words: "goroutine"},
			{method: "GET", path: "/debug/pprof/heap?gc=1", header: bearer, status: 200, words: "\x1f\x8b"}, // gzip
			{method: "GET", path: "/debug/pprof/profile?seconds=0.1", header: bearer, status: 200, words: "\x1f\x8b"},
			{method: "GET", path: "/debug/pprof/trace?seconds=0.1", header: bearer, status: 200, words: "go 1."},
			{method: "GET", path: "/debug/pprof/cmdline", header: bearer, status: 200, words: ".test"},
			{method: "GET", path: "/debug/pprof/none", header: bearer, status: 404},
			{method: "GET", path: "/debug/pprof/profile", status: 401},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, c.opts)
			_, port, err := net.SplitHostPort(h.Addr())
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range c.calls {
				resp := call.do(t, "127.0.0.1:"+port, direct)
				if resp.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
					t.Errorf("%s %s: a browser is told %v", call.method, call.path, resp.Header)
				}
			}
			if want := map[bool]int32{true: 1}[strings.Contains(name, "who bears it") || strings.Contains(name, "another site's")]; h.changes.Load() != want {
				t.Errorf("%d changes, want %d", h.changes.Load(), want)
			}
		})
	}
}

func TestABrowserLogsInOnce(t *testing.T) {
	h := open(t, web.Options{Addr: "127.0.0.1:0", Token: token})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: direct.CheckRedirect}
	form := func(token, next string) call {
		return call{method: "POST", path: "/login", body: url.Values{"token": {token}, "next": {next}}.Encode(),
			header: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}}
	}
	do := func(c call, status int, words string) *http.Response {
		t.Helper()
		c.status, c.words = status, words
		return c.do(t, h.Addr(), browser)
	}
	pin := call{method: "POST", path: "/pin", header: map[string]string{"Sec-Fetch-Site": "same-origin"}}

	do(call{method: "GET", path: `/login?next=%2Fx%22%3E%3Cscript%3E`}, 200, `value="/x%22%3E%3Cscript%3E"`)
	do(form("a-guess-of-sixteen", "/x"), 401, "not the token")
	do(pin, 401, "")
	resp := do(form(token, "/x?y=1"), 303, "/x?y=1")
	cookie := resp.Header.Get("Set-Cookie")
	if !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") || strings.Contains(cookie, token) {
		t.Errorf("the cookie is %q", cookie)
	}
	do(pin, 200, "")
	do(call{method: "GET", path: "/x"}, 200, "may change true")
	for _, next := range []string{"//evil.example/", `/\evil.example`, "http://evil.example/", "javascript:alert(1)", "x", "%zz", "/../other", "/x/%2e%2e/../y"} {
		if got := do(form(token, next), 303, "").Header.Get("Location"); got != "./" {
			t.Errorf("a login with next=%s leads to %s", next, got)
		}
	}
	cross := pin
	cross.header = map[string]string{"Sec-Fetch-Site": "cross-site"}
	do(cross, 403, "another site")
	do(call{method: "POST", path: "/logout"}, 303, "/")
	do(pin, 401, "")

	// A cookie is good for the process that gave it: another one has another key.
	other := open(t, web.Options{Addr: "127.0.0.1:0", Token: token})
	value, _, _ := strings.Cut(cookie, ";")
	again := call{method: "POST", path: "/pin", header: map[string]string{"Cookie": value}, status: 401}
	again.do(t, other.Addr(), direct)
	// And its time is signed.
	_, sum, _ := strings.Cut(value, ".")
	forged := call{method: "POST", path: "/pin", header: map[string]string{"Cookie": "cordon=99999999999." + sum}, status: 401}
	forged.do(t, h.Addr(), direct)
}

func TestHealthSaysWhetherTheWorkerLivesAndWhetherItCanWork(t *testing.T) {
	h := open(t, web.Options{Addr: "127.0.0.1:0", Metrics: "127.0.0.1:0"})
	for name, c := range map[string]struct {
		health      web.Health
		live, ready int
		status      string
	}{
		"all well":         {web.Health{Live: true, Started: true, About: map[string]string{"version": "1"}}, 200, 200, "ok"},
		"just started":     {web.Health{Live: true}, 200, 503, "starting"},
		"Temporal is away": {web.Health{Live: true, Started: true, Problems: []string{"Temporal: it does not answer"}}, 200, 503, "failing"},
		"it hangs":         {web.Health{Started: true, Problems: []string{}}, 503, 503, "hanging"},
	} {
		t.Run(name, func(t *testing.T) {
			h.health.Store(&c.health)
			for _, addr := range []string{h.Addr(), h.MetricsAddr()} {
				for path, status := range map[string]int{"/healthz": c.live, "/readyz": c.ready} {
					words := fmt.Sprintf(`"status":%q`, c.status)
					call{method: "GET", path: path, status: status, words: words}.do(t, addr, direct)
					problems, err := json.Marshal(append([]string{}, c.health.Problems...))
					if err != nil {
						t.Fatal(err)
					}
					call{method: "GET", path: path, status: status, words: `"problems":` + string(problems)}.do(t, addr, direct)
				}
			}
		})
	}
	h.health.Store(&web.Health{Live: true, Started: true})
	h.Stopping()
	call{method: "GET", path: "/healthz", status: 200, words: "stopping"}.do(t, h.Addr(), direct)
	call{method: "GET", path: "/readyz", status: 503, words: "stopping"}.do(t, h.Addr(), direct)
}

func TestTheMetricsListenerHasNoPages(t *testing.T) {
	h := open(t, web.Options{Metrics: "127.0.0.1:0", Pprof: true})
	if h.Addr() != "" {
		t.Errorf("pages at %s", h.Addr())
	}
	call{method: "GET", path: "/metrics", host: "worker.example", status: 200, words: "cordon_up"}.do(t, h.MetricsAddr(), direct)
	call{method: "GET", path: "/", status: 404}.do(t, h.MetricsAddr(), direct)
	call{method: "GET", path: "/debug/pprof/", status: 404}.do(t, h.MetricsAddr(), direct)
	call{method: "POST", path: "/pin", status: 404}.do(t, h.MetricsAddr(), direct)
}

func TestAnAddressThatCannotBeStopsTheStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		opts  web.Options
		kind  cordon.Kind
		words string
	}{
		"of everybody without a token":   {web.Options{Addr: "0.0.0.0:0"}, cordon.InvalidArgument, "WORKER_HTTP_TOKEN"},
		"no host without a token":        {web.Options{Addr: ":0"}, cordon.InvalidArgument, "WORKER_HTTP_TOKEN"},
		"IPv6 without a token":           {web.Options{Addr: "[::]:0"}, cordon.InvalidArgument, "WORKER_HTTP_TOKEN"},
		"a token that can be guessed":    {web.Options{Addr: "127.0.0.1:0", Token: "secret"}, cordon.InvalidArgument, "openssl rand"},
		"one that somebody has":          {web.Options{Addr: taken.Addr().String()}, cordon.Busy, "--http"},
		"metrics where somebody listens": {web.Options{Metrics: taken.Addr().String()}, cordon.Busy, "--metrics"},
		"no address":                     {web.Options{Addr: "127.0.0.1"}, cordon.InvalidArgument, "host:port"},
		"of another machine":             {web.Options{Addr: "192.0.2.1:0", Token: token}, cordon.InvalidArgument, "of this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := web.Listen(c.opts)
			if err == nil {
				s.Close()
			}
			if cordon.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "secret") {
				t.Errorf("Listen = %v, want %s and %q", err, c.kind, c.words)
			}
		})
	}
	if s, err := web.Listen(web.Options{}); s != nil || err != nil {
		t.Errorf("Listen at nothing = %v, %v", s, err)
	}
}

func TestCloseEndsWhatStreams(t *testing.T) {
	h := open(t, web.Options{Addr: "127.0.0.1:0"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.Addr()+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := direct.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 4)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	h.Close()
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || ctx.Err() != nil {
		t.Errorf("the stream goes on: %q, %v", rest, err)
	}
	if c, err := net.Dial("tcp", h.Addr()); err == nil {
		c.Close()
		t.Error("somebody still listens")
	}
}
