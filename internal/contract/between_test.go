package contract_test

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// What stands between the cache and the server: a network, a server's door.

// network is a TCP proxy that does to what the server answers what networks do.
type network struct {
	url   string
	proxy *toxiproxy.Proxy
	last  string // toxic that was added
}

func newNetwork(t *testing.T, endpoint string) *network {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // it logs past the logger that it is given
	srv := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(srv, t.Name(), "127.0.0.1:0", strings.TrimPrefix(endpoint, "http://"))
	must(t, p.Start())
	t.Cleanup(p.Stop)
	return &network{url: "http://" + p.Listen, proxy: p}
}

// Toxics, for every connection.
const (
	slow   = `{"type": "bandwidth", "attributes": {"rate": 4000}}` // kilobytes per second
	late   = `{"type": "latency", "attributes": {"latency": 100, "jitter": 50}}`
	silent = `{"type": "timeout", "attributes": {"timeout": 0}}`
	resets = `{"type": "reset_peer", "attributes": {"timeout": 10}}`
)

// cutAt breaks each connection after n bytes.
func cutAt(n int) string {
	return `{"type": "limit_data", "attributes": {"bytes": ` + strconv.Itoa(n) + `}}`
}

func (n *network) turns(t *testing.T, toxic string) {
	t.Helper()
	added, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(toxic))
	must(t, err)
	n.last = added.Name
}

// heals takes back what the network turned to last. What it was before stays: toxiproxy
// waits for ever for a bandwidth that is to go where a toxic behind it has just closed the
// connection.
func (n *network) heals(t *testing.T) {
	t.Helper()
	must(t, n.proxy.Toxics.RemoveToxic(t.Context(), n.last))
}

// door is an HTTP proxy at which an answer may be another one than the server's.
type door struct {
	url  string
	gets atomic.Int32
	once atomic.Bool // for what happens once

	open   sync.RWMutex // held by those who pass
	healed bool
}

// heals lets all pass, once those who are in the door are through.
func (d *door) heals() {
	d.open.Lock()
	defer d.open.Unlock()
	d.healed = true
}

// visit is a request that arrives at a door.
type visit struct {
	http.ResponseWriter
	door     *door
	get      int   // the number of this GET of an object, from 1; 0: it is something else
	from, to int64 // of its Range
	pass     func(http.ResponseWriter)
}

// newDoor has each request handled by act, until the door heals.
func newDoor(t *testing.T, endpoint string, act func(v visit)) *door {
	t.Helper()
	to, err := url.Parse(endpoint)
	must(t, err)
	transport := &http.Transport{DisableCompression: true}
	quiet := log.New(io.Discard, "", 0) // broken connections are what is tested
	proxy := &httputil.ReverseProxy{
		Transport: transport, ErrorLog: quiet,
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
	}
	d := &door{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.open.RLock()
		defer d.open.RUnlock()
		if d.healed {
			proxy.ServeHTTP(w, r)
			return
		}
		v := visit{ResponseWriter: w, door: d, pass: func(w http.ResponseWriter) { proxy.ServeHTTP(w, r) }}
		if r.Method == http.MethodGet && r.URL.RawQuery == "" {
			v.get = int(d.gets.Add(1))
			from, until, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
			v.from, _ = strconv.ParseInt(from, 10, 64)
			v.to, _ = strconv.ParseInt(until, 10, 64)
		}
		act(v)
	}))
	srv.Config.ErrorLog = quiet
	srv.Start()
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close(); transport.CloseIdleConnections() })
	d.url = srv.URL
	return d
}

// later reports whether a part of an object is asked for that is not the first.
func (v visit) later() bool { return v.get > 0 && v.from > 0 }

// answers refuses as an S3 server does.
func (v visit) answers(status int, code string) {
	v.WriteHeader(status)
	_, _ = io.WriteString(v, "<Error><Code>"+code+"</Code><Message>as the test wants it</Message></Error>") // the client may be gone
}

// cut lets n bytes of the answer through and breaks the connection. It does not
// return if there are as many.
func (v visit) cut(n int) { v.pass(&shortened{v.ResponseWriter, n}) }

type shortened struct {
	http.ResponseWriter
	left int
}

func (s *shortened) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p[:min(len(p), s.left)])
	if s.left -= n; s.left == 0 && err == nil {
		_ = http.NewResponseController(s.ResponseWriter).Flush() // the client may be gone
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// spoil changes the byte of the object that is at offset at, the first time that
// it passes.
func (v visit) spoil(at int64) {
	if v.get > 0 && v.from <= at && at <= v.to && v.door.once.CompareAndSwap(false, true) {
		v.pass(&spoiled{v.ResponseWriter, int(at - v.from)})
		return
	}
	v.pass(v.ResponseWriter)
}

type spoiled struct {
	http.ResponseWriter
	at int
}

func (s *spoiled) Write(p []byte) (int, error) {
	if 0 <= s.at && s.at < len(p) {
		p = bytes.Clone(p)
		p[s.at] ^= 0x20
	}
	s.at -= len(p)
	return s.ResponseWriter.Write(p)
}
