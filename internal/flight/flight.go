// Package flight lets callers share a piece of work that outlives its callers'
// patience but not their wish: it goes on when a caller's time is up, and stops
// when the last caller has cancelled (CONTRACT §1.6).
package flight

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Group shares work by key. The zero Group is not ready; use New. It is safe
// for concurrent use.
type Group[T any] struct {
	linger time.Duration
	stop   context.Context
	mu     sync.Mutex
	calls  map[string]*call[T]
	wg     sync.WaitGroup
}

type call[T any] struct {
	cancel  context.CancelCauseFunc
	done    chan struct{}
	value   T
	err     error
	callers int
	timer   *time.Timer // runs while nobody waits
}

// ErrAbandoned is the cause of a piece of work's cancellation when nobody wants
// it any more.
var ErrAbandoned = errors.New("nobody waits for this any more")

// New returns a group whose work goes on for at most linger after its last
// caller's time was up, and ends when stop is done.
func New[T any](stop context.Context, linger time.Duration) *Group[T] {
	return &Group[T]{linger: linger, stop: stop, calls: map[string]*call[T]{}}
}

// Do returns what work returns, running it unless work of the same key is under
// way already; then it joins that (joined is true). The context that work gets
// carries ctx's values but not its end. If ctx ends by cancellation, the work is
// cancelled if ctx was the last caller's, and Do waits for it to stop; if ctx
// ends by its deadline, the work goes on and Do returns at once.
func (g *Group[T]) Do(ctx context.Context, key string, work func(context.Context) (T, error)) (value T, joined bool, err error) {
	if err := ctx.Err(); err != nil {
		return value, false, err
	}
	g.mu.Lock()
	c, joined := g.calls[key]
	if !joined {
		c = g.start(ctx, key, work)
	}
	c.callers++
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	g.mu.Unlock()

	select {
	case <-c.done:
		return c.value, joined, c.err
	case <-ctx.Done():
	}
	if g.leave(key, c, ctx.Err()) {
		<-c.done // the work was told to stop: return only when it has
	}
	return value, joined, ctx.Err()
}

func (g *Group[T]) start(ctx context.Context, key string, work func(context.Context) (T, error)) *call[T] {
	wctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(g.stop, func() { cancel(context.Cause(g.stop)) })
	c := &call[T]{cancel: cancel, done: make(chan struct{})}
	g.calls[key] = c
	g.wg.Go(func() {
		defer unhook()
		defer cancel(nil)
		c.value, c.err = work(wctx)
		g.mu.Lock()
		if g.calls[key] == c {
			delete(g.calls, key)
		}
		if c.timer != nil {
			c.timer.Stop()
		}
		g.mu.Unlock()
		close(c.done)
	})
	return c
}

// leave takes one caller off c and reports whether that cancelled the work.
func (g *Group[T]) leave(key string, c *call[T], why error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.callers--
	if c.callers > 0 {
		return false
	}
	abandon := func() {
		if g.calls[key] == c {
			delete(g.calls, key) // whoever asks from now on starts afresh
		}
		c.cancel(ErrAbandoned)
	}
	if errors.Is(why, context.DeadlineExceeded) {
		c.timer = time.AfterFunc(g.linger, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			if c.callers == 0 {
				abandon()
			}
		})
		return false
	}
	abandon()
	return true
}

// Running reports whether there is work of this key that Do would join.
func (g *Group[T]) Running(key string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls[key] != nil
}

// Wait returns when no work is under way. No Do may begin afterwards.
func (g *Group[T]) Wait() { g.wg.Wait() }
