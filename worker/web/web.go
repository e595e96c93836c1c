// Package web serves a worker over HTTP: to people its pages, to Prometheus its
// metrics, to orchestrators its health.
//
//	/                the pages (Options.Pages)
//	/login, /logout  for browsers: a cookie that stands for the token
//	/metrics         for Prometheus
//	/healthz         200 while the worker lives; 503 where it hangs
//	/readyz          200 while it can work; 503 with what is wrong
//	/debug/pprof/    Go's profiles, where Options.Pprof is set
//
// A second listener (Options.Metrics) has only /metrics, /healthz and /readyz.
//
// Who may do what (CONTRACT, "HTTP"):
//   - a loopback address shows everything to whoever is on the machine; any other one
//     shows nothing but metrics and health without the token, and needs one;
//   - what changes something needs the token everywhere: without one it is read-only;
//   - a request to a loopback address under another host's name counts as one from
//     elsewhere, for a name may be rebound to this machine; a browser's request that
//     another site made changes nothing.
//
// It speaks HTTP/1.1 in the clear. What crosses a network belongs behind a proxy with TLS.
package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/cordonlabs/cordon"
)

// Options say where is served, and by which rules.
type Options struct {
	Addr    string // host:port of everything; "": nowhere
	Metrics string // host:port of metrics and health alone; "": nowhere

	// Token allows changes to who bears it, and an Addr that is not loopback. "" is none;
	// else it has MinToken bytes or more.
	Token string

	Pprof  bool
	Logger *slog.Logger // nil: slog.Default()
}

// Handlers are what is served. One that is nil is not there.
type Handlers struct {
	Pages   http.Handler // at /, under the rules above; AccessOf says what they allow
	Metrics http.Handler
	Health  func() Health // cheap, and safe for concurrent use
}

const (
	// MinToken is the least length of a token, in bytes: as much as nobody guesses over a
	// network, if it was made by chance.
	MinToken = 16

	// headerTime and readTime are how long the header of a request, and all of it, may
	// take to arrive: it is a form at most.
	headerTime = 10 * time.Second
	readTime   = 30 * time.Second

	// writeTime is how long an answer may take. What streams for longer extends it, by
	// http.ResponseController.
	writeTime = time.Minute

	// idleTime is how long a connection is kept that asks for nothing.
	idleTime = 2 * time.Minute

	// maxHeader and maxBody bound a request, in bytes.
	maxHeader = 64 << 10
	maxBody   = 1 << 20

	// maxConns bounds the connections of a listener: some browsers' pages, each of which
	// holds one, and scrapes. Without a bound whoever reaches it could use up the worker's
	// file descriptors.
	maxConns = 256

	// stopTime is how long answers under way are waited for at the end.
	stopTime = 2 * time.Second
)

// Server has the listeners, and serves once Serve is called.
type Server struct {
	opts     Options
	log      *slog.Logger
	gate     *gate
	pages    net.Listener // nil: none
	metrics  net.Listener // nil: none
	servers  []*http.Server
	serving  sync.WaitGroup
	ctx      context.Context // of all requests
	stop     context.CancelFunc
	stopping chan struct{} // closed once the worker stops
	once     sync.Once
}

// Listen claims the addresses. It returns nil where there are none. The errors are
// *cordon.Error: InvalidArgument for what cannot be, Busy where another program listens.
func Listen(opts Options) (_ *Server, err error) {
	if opts.Addr == "" && opts.Metrics == "" {
		return nil, nil
	}
	s := &Server{opts: opts, log: cmp.Or(opts.Logger, slog.Default()), stopping: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := checkToken(opts.Token); err != nil {
		return nil, err
	}
	if opts.Addr != "" {
		addr, err := resolve(opts.Addr, "--http")
		if err != nil {
			return nil, err
		}
		if !addr.IP.IsLoopback() && opts.Token == "" {
			return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "serve HTTP at", Name: opts.Addr,
				Err: errors.New("others than this machine's users can reach it, and there is no token"),
				Fix: "set WORKER_HTTP_TOKEN, or use a loopback address such as 127.0.0.1:8234; metrics and health alone need no token: --metrics"}
		}
		s.gate = newGate(opts.Token, addr.IP.IsLoopback())
		if s.pages, err = listen(addr, "--http"); err != nil {
			return nil, err
		}
	}
	if opts.Metrics != "" {
		addr, err := resolve(opts.Metrics, "--metrics")
		if err != nil {
			return nil, err
		}
		if s.metrics, err = listen(addr, "--metrics"); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Addr returns where everything is served, or "".
func (s *Server) Addr() string {
	if s == nil || s.pages == nil {
		return ""
	}
	return s.pages.Addr().String()
}

// MetricsAddr returns where metrics and health alone are served, or "".
func (s *Server) MetricsAddr() string {
	if s == nil || s.metrics == nil {
		return ""
	}
	return s.metrics.Addr().String()
}

// Serve begins to answer. It is called once, or not at all; it may be called on nil.
func (s *Server) Serve(h Handlers) {
	if s == nil {
		return
	}
	if s.pages != nil {
		s.serve(s.pages, s.everything(h))
		s.log.Info("worker serves HTTP", "address", s.Addr(), "changes", s.opts.Token != "", "pprof", s.opts.Pprof)
	}
	if s.metrics != nil {
		s.serve(s.metrics, s.observed(h))
		s.log.Info("worker serves metrics", "address", s.MetricsAddr())
	}
}

func (s *Server) serve(l net.Listener, h http.Handler) {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return s.ctx },
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelWarn), // a handler that panicked, above all
	}
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		if err := server.Serve(netutil.LimitListener(l, maxConns)); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("HTTP is served no more", "address", l.Addr().String(), "error", err)
		}
	})
}

// everything is what the pages' listener serves.
func (s *Server) everything(h Handlers) http.Handler {
	mux := http.NewServeMux()
	s.observe(mux, h)
	mux.HandleFunc("GET /login", s.gate.form)
	mux.HandleFunc("POST /login", s.gate.login)
	mux.HandleFunc("POST /logout", s.gate.logout)
	if s.opts.Pprof {
		mountPprof(mux)
	}
	if h.Pages != nil {
		mux.Handle("/", h.Pages)
	}
	return limited(s.gate.guard(mux))
}

// observed is what the metrics' listener serves.
func (s *Server) observed(h Handlers) http.Handler {
	mux := http.NewServeMux()
	s.observe(mux, h)
	return limited(harden(mux))
}

func (s *Server) observe(mux *http.ServeMux, h Handlers) {
	if h.Metrics != nil {
		mux.Handle("GET /metrics", h.Metrics)
	}
	if h.Health != nil {
		mux.HandleFunc("GET /healthz", s.live(h.Health))
		mux.HandleFunc("GET /readyz", s.ready(h.Health))
	}
}

// limited bounds the bodies of requests.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// Stopping says to whoever asks for /readyz that the worker takes nothing on any more.
// It may be called on nil, and often.
func (s *Server) Stopping() {
	if s != nil {
		s.once.Do(func() { close(s.stopping) })
	}
}

// Close ends the serving: requests' contexts end, and answers that are almost there are
// waited for. It may be called on nil, and whether or not Serve was.
func (s *Server) Close() {
	if s == nil {
		return
	}
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	for _, server := range s.servers {
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close() // their clients see the connection end
		}
	}
	for _, l := range []net.Listener{s.pages, s.metrics} {
		if l != nil {
			_ = l.Close() // a server has closed it already, where there was one
		}
	}
	s.serving.Wait()
}

func checkToken(token string) error {
	if token == "" || len(token) >= MinToken {
		return nil
	}
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "read environment", Name: "WORKER_HTTP_TOKEN",
		Err: fmt.Errorf("it has %d bytes, and needs %d", len(token), MinToken), Fix: "make one by chance: openssl rand -hex 32"}
}
