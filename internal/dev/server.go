// Package dev runs a Temporal server and its web UI inside this process, for
// `cordon dev` and `cordon run`: the frontend, history, matching and worker
// services on one SQLite database.
//
// It is for development. There is no authentication; whoever reaches the port
// may do anything. Therefore everything listens on loopback, unless Options.Host
// says otherwise, which moves the frontend and the UI but never the rest.
package dev

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/cordonlabs/cordon"
	"go.temporal.io/server/temporal"
)

const (
	// loopback is where the inner services listen, and everything else by default.
	loopback = "127.0.0.1"

	// readyTimeout bounds the wait for the namespaces. A server that has started
	// answers within a second, on a machine that is overloaded within several.
	readyTimeout = 60 * time.Second

	// stopTimeout bounds Stop. The services drain one after the other, each for
	// two seconds at most while somebody polls.
	stopTimeout = 5 * time.Second
)

// Options says what to start. The zero value is a server in memory, on free
// ports of 127.0.0.1, with its UI and the namespace "default".
type Options struct {
	// DataDir is where the state is kept over restarts; it is made if it does
	// not exist. "" keeps the state in memory, where it stays until the process
	// ends: the database is not given back by Stop.
	DataDir string

	Host   string // an IP address, or "localhost"; "" means 127.0.0.1
	Port   int    // of the frontend; 0 means a free one
	UIPort int    // of the web UI; 0 means a free one, a negative one none

	// Namespaces are registered where they do not exist; none means "default".
	Namespaces []string

	// Logger receives what the server logs; nil discards it.
	Logger *slog.Logger
	// LogLevel is the least level that is logged; nil means slog.LevelWarn. The
	// server's own Info is of no interest to those who only use it.
	LogLevel slog.Leveler
}

// Server is a running Temporal server. Its methods are safe for concurrent use.
type Server struct {
	address string
	inner   temporal.Server
	ui      *ui
	data    *dataDir
	log     *serverLog

	stop    sync.Once
	stopErr error
}

// Start starts a server and returns once every namespace can be described. An
// ended ctx gives the start up, and has no meaning afterwards.
//
// Errors are *cordon.Error: InvalidArgument for options that cannot be, Busy
// for a port or a data directory that another process uses (around an
// *InUseError in the latter case), PermissionDenied for a directory that may not
// be written. Whatever the error, no server is left running.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	s := &Server{log: newServerLog(opts.Logger, opts.LogLevel)}
	if err := s.start(ctx, opts); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, opts Options) (err error) {
	if opts.DataDir != "" {
		if s.data, err = openDataDir(opts.DataDir); err != nil {
			return err
		}
	}
	ports, err := choosePorts(opts.Host, opts.Port)
	if err != nil {
		return err
	}
	s.address = net.JoinHostPort(reachable(opts.Host), strconv.Itoa(ports.frontend))
	if s.ui, err = listenUI(opts.Host, opts.UIPort); err != nil {
		return err
	}
	db, err := openDatabase(s.data, opts.Namespaces)
	if err != nil {
		return err
	}
	if err := s.startServices(serverConfig(opts.Host, s.address, ports, db)); err != nil {
		return err
	}
	if err := waitReady(ctx, s.address, opts.Namespaces); err != nil {
		return err
	}
	if err := s.ui.serve(s.address); err != nil {
		return err
	}
	s.data.announce(s.address)
	return nil
}

func (s *Server) startServices(opts []temporal.ServerOption) error {
	inner, err := build(append(opts, temporal.WithLogger(s.log)))
	if err == nil {
		s.inner = inner
		err = inner.Start()
	}
	if err != nil {
		return &cordon.Error{Kind: kindOf(err), Op: "start the embedded Temporal server", Name: s.address, Err: err}
	}
	return nil
}

// build makes the server, which takes its ports: that one of them has been
// snatched meanwhile must not end the process. (Those that it had taken by then
// it keeps until the process ends; it has no way to give them back.)
func build(opts []temporal.ServerOption) (inner temporal.Server, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case fatalError:
			err = r
		default:
			panic(r)
		}
	}()
	return temporal.NewServer(opts...)
}

// Address is where the frontend listens, as host:port.
func (s *Server) Address() string { return s.address }

// UIURL is the address of the web UI, or "" where there is none.
func (s *Server) UIURL() string { return s.ui.url() }

// Stop ends the server and frees its ports and its data directory. It takes five
// seconds at most; clients that still poll are cut off. Calls after the first
// return what the first one did.
func (s *Server) Stop() error {
	s.stop.Do(func() { s.stopErr = s.shutDown() })
	return s.stopErr
}

// Quiet ends the server's logging, for whoever ends the process without Stop:
// what breaks off from then on is no news.
func (s *Server) Quiet() { s.log.quiet() }

func (s *Server) shutDown() error {
	s.Quiet()
	s.ui.close()
	if s.inner == nil {
		s.data.close()
		return nil
	}
	done := make(chan error, 1)
	go func() {
		err := s.inner.Stop()
		s.data.close() // never before: another process would write beside this one
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("stop the embedded Temporal server: %w", err)
		}
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("stop the embedded Temporal server: not done after %s; it ends with the process", stopTimeout)
	}
}

// fill sets the defaults and refuses what cannot be.
func (o *Options) fill() error {
	refuse := func(err error, fix string) error {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: "start the embedded Temporal server", Err: err, Fix: fix}
	}
	if o.Host == "" || o.Host == "localhost" {
		o.Host = loopback
	}
	if net.ParseIP(o.Host) == nil {
		return refuse(fmt.Errorf("the host %q is no IP address", o.Host), "use 127.0.0.1, ::1 or another address of this machine")
	}
	for _, port := range []int{o.Port, o.UIPort} {
		if port > 1<<16-1 {
			return refuse(fmt.Errorf("%d is no port", port), "use 1 to 65535, or 0 for a free one")
		}
	}
	if o.Port < 0 {
		return refuse(fmt.Errorf("%d is no port", o.Port), "use 1 to 65535, or 0 for a free one")
	}
	if o.Port != 0 && o.Port == o.UIPort {
		return refuse(fmt.Errorf("the frontend and the web UI cannot both listen on port %d", o.Port), "use two ports")
	}
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{"default"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.LogLevel == nil {
		o.LogLevel = slog.LevelWarn
	}
	return nil
}

// kindOf says what kind of error the operating system's is.
func kindOf(err error) cordon.Kind {
	switch {
	case errors.Is(err, errInUse):
		return cordon.Busy
	case errors.Is(err, os.ErrPermission):
		return cordon.PermissionDenied
	}
	return cordon.KindOf(err)
}
