package health

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// Pulse knows how a worker's polls fare. It sees the calls of its client to
// Temporal. Safe for concurrent use.
//
// That no poll is under way is nothing bad: a worker whose activities are all
// busy asks for no other. Bad is that polls fail, and none has succeeded since. One
// that waits has succeeded before it ends: where there is nothing to do it takes a minute.
type Pulse struct {
	mu     sync.Mutex
	ever   bool      // one was sent
	failed error     // of the last poll of which something came, if it failed
	since  time.Time // of the first failure in a row
}

// accepted is how long a poll waits that the server has not refused: it does that at once.
const accepted = 3 * time.Second

// IsPoll reports whether a call to Temporal, by its full name, asks for a task.
func IsPoll(method string) bool {
	_, call, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return strings.HasPrefix(call, "Poll") && strings.HasSuffix(call, "TaskQueue")
}

// Watch is for the options of the client's connection.
func (p *Pulse) Watch(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if !IsPoll(method) {
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	p.mu.Lock()
	p.ever = true
	p.mu.Unlock()
	waits := time.AfterFunc(accepted, func() { p.fared(nil) })
	err := invoke(ctx, method, req, reply, cc, opts...)
	waits.Stop()
	p.fared(err)
	return err
}

// fared notes what came of a poll.
func (p *Pulse) fared(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && p.failed == nil {
		p.since = time.Now()
	}
	p.failed = err
}

// Err says why the worker does not poll, or nil.
func (p *Pulse) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.ever:
		return errors.New("the worker has not polled yet")
	case p.failed != nil:
		return fmt.Errorf("polls fail since %v: %w", time.Since(p.since).Round(time.Second), p.failed)
	}
	return nil
}
