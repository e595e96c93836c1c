package socket

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
)

// Options say what is served, and where.
type Options struct {
	Path  string // absolute, of at most MaxPath bytes
	Group string // that may connect beside the owner, a name or a number; "": none

	Activities *activities.Activities

	Version, Host, CacheDir string // for whoever asks for the health

	Logger *slog.Logger // nil: slog.Default()
}

// Server serves one socket.
type Server struct {
	opts  Options
	log   *slog.Logger
	claim *claim
	http  *http.Server
	stop  context.CancelFunc // ends the calls under way as a cancellation does
	slots chan struct{}

	mu     sync.Mutex // so that no call begins once the last one is waited for
	closed bool
	calls  sync.WaitGroup
}

const (
	// maxCalls bounds the calls at once; each costs a connection and some memory. It is
	// more than the activities of all workers of a host.
	maxCalls = 1024

	// headerTime and bodyTime are how long a request may take to arrive, from a process
	// on the same host.
	headerTime = 10 * time.Second
	bodyTime   = 30 * time.Second

	// idleTime is how long a connection is kept that asks for nothing.
	idleTime = 2 * time.Minute

	// maxHeader bounds the header of a request, in bytes: there is little to say in it.
	maxHeader = 16 << 10

	// stopTime is how long the calls under way are waited for at the end, once they have
	// been told (CONTRACT §7, row 13).
	stopTime = 4 * time.Second
)

// Serve begins to serve. The errors are *cordon.Error: InvalidArgument for a path that
// cannot be, Busy where another process serves there, PermissionDenied.
func Serve(opts Options) (*Server, error) {
	c, err := claimPath(opts.Path, opts.Group)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{opts: opts, log: cmp.Or(opts.Logger, slog.Default()), claim: c, stop: stop, slots: make(chan struct{}, maxCalls)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/activities/{name}", s.call)
	mux.HandleFunc("GET /v1/health", s.health)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, cordon.InvalidArgument, fmt.Errorf("there is no %s %.200q", r.Method, r.URL.Path),
			"use POST /v1/activities/{name} or GET /v1/health")
	})
	s.http = &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	go func() {
		if err := s.http.Serve(c); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the socket is served no more", "socket", opts.Path, "error", err)
		}
	}()
	s.log.Info("worker serves a socket", "socket", opts.Path, "group", opts.Group, "activities", opts.Activities.StorageNames())
	return s, nil
}

// Close ends the serving, and waits a few seconds for the calls under way, which
// Activities.Stop has to have told. It may be called on nil.
func (s *Server) Close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.log.Warn("calls on the socket did not end in time; their clients see it closed", "socket", s.opts.Path)
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	_ = s.http.Close() // of connections that are given up
	s.calls.Wait()
	s.claim.release()
}

// begin counts a call; not once the server is closed, or has too many.
func (s *Server) begin() (end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("this worker is stopping")
	}
	select {
	case s.slots <- struct{}{}:
	default:
		return nil, fmt.Errorf("%d calls are under way", maxCalls)
	}
	s.calls.Add(1)
	return func() { <-s.slots; s.calls.Done() }, nil
}

// call serves one call of an activity.
func (s *Server) call(w http.ResponseWriter, r *http.Request) {
	end, err := s.begin()
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, cordon.Busy, err, "try again later")
		return
	}
	defer end()
	name := r.PathValue("name")
	if names := s.opts.Activities.StorageNames(); !slices.Contains(names, name) {
		refuse(w, http.StatusNotFound, cordon.InvalidArgument, fmt.Errorf("there is no activity %.100q here", name), fmt.Sprintf("call one of %v", names))
		return
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTime)) // of a unix socket it can be set
	req, err := parseRequest(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		s.unreadable(w, err)
		return
	}
	// From now on reading only waits for the client to close, for as long as that takes.
	_ = rc.SetReadDeadline(time.Time{})

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := newStream(w)
	stop := out.beat(activities.HeartbeatInterval, cancel)
	result, err := s.opts.Activities.Call(ctx, activities.Call{Activity: name, Args: req.Args, Caller: req.Caller, Heartbeat: out.report})
	stop()
	if ctx.Err() != nil {
		s.log.Info("a client of the socket closed its connection: its call is cancelled", "activity", name,
			"workflow_id", req.Caller.WorkflowID, "attempt", req.Caller.Attempt)
		return
	}
	last := map[string]any{"result": result}
	if err != nil {
		last = map[string]any{"error": failureOf(err)}
	}
	if err := out.line(last); err != nil {
		s.log.Warn("a client of the socket is gone, and did not get its answer", "activity", name, "error", err)
	}
}

// unreadable says what is wrong with a body.
func (s *Server) unreadable(w http.ResponseWriter, err error) {
	const fix = `send {"args": […], "caller": {"namespace", "workflow_id", "workflow_type", "run_id", "activity_id", "attempt", "task_queue"}}`
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, cordon.InvalidArgument, fmt.Errorf("the body has more than %s", cordon.FormatBytes(MaxBody)), "send less")
	case errors.Is(err, os.ErrDeadlineExceeded):
		refuse(w, http.StatusRequestTimeout, cordon.StorageUnavailable, fmt.Errorf("the body did not arrive within %s", bodyTime), "try again")
	default:
		refuse(w, http.StatusBadRequest, cordon.InvalidArgument, err, fix)
	}
}

// health says who serves.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, struct {
		Status     string   `json:"status"`
		Version    string   `json:"version"`
		Host       string   `json:"host"`
		CacheDir   string   `json:"cache_dir"`
		Activities []string `json:"activities"`
	}{"ok", s.opts.Version, s.opts.Host, s.opts.CacheDir, s.opts.Activities.StorageNames()})
}

// refuse answers a request that is no call.
func refuse(w http.ResponseWriter, status int, kind cordon.Kind, err error, fix string) {
	err = activities.ApplicationError("call", &cordon.Error{Kind: kind, Op: "call over the socket", Err: err, Fix: fix})
	answer(w, status, map[string]failure{"error": failureOf(err)})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone needs no answer
}
