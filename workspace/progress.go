package workspace

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// step is what a piece of work is doing; whoever waits for the work reads it.
type step struct {
	mu    sync.Mutex
	stage string
	total int64
	done  atomic.Int64
	via   atomic.Pointer[step] // the work that this work waits for
}

func (s *step) begin(stage string, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage, s.total = stage, total
	s.done.Store(0)
}

func (s *step) progress() Progress {
	if via := s.via.Load(); via != nil {
		return via.progress()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return Progress{Stage: s.stage, Done: s.done.Load(), Total: s.total}
}

// stepBoard finds the step of the work that goes on under a key, so that those
// who join the work can follow it.
type stepBoard struct {
	mu    sync.Mutex
	steps map[string]*step
}

func (b *stepBoard) of(key string) *step {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.steps == nil {
		b.steps = map[string]*step{}
	}
	s := b.steps[key]
	if s == nil {
		s = &step{stage: "waiting"}
		b.steps[key] = s
	}
	return s
}

func (b *stepBoard) drop(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.steps, key)
}

// progressPeriod is how often Get reports.
const progressPeriod = 500 * time.Millisecond

// reporting calls work, and report with what s says while work goes on.
func reporting(ctx context.Context, s *step, report func(Progress), work func(context.Context) (Workspace, error)) (Workspace, error) {
	if report == nil {
		return work(ctx)
	}
	type answer struct {
		ws  Workspace
		err error
	}
	done := make(chan answer, 1)
	go func() {
		ws, err := work(ctx)
		done <- answer{ws, err}
	}()
	tick := time.NewTicker(progressPeriod)
	defer tick.Stop()
	for {
		select {
		case a := <-done:
			return a.ws, a.err
		case <-tick.C:
			report(s.progress())
		}
	}
}
