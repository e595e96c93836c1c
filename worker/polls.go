package worker

import (
	"context"
	"strings"
	"sync"
	"time"

	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/grpc"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/health"
)

// lastPolls is how long a worker that stops waits for the server to end its polls, which
// it is asked for: a poll that the worker breaks off may take with it what it brings. It
// takes milliseconds; but a poll that gets to the server after that was asked, as one of a
// worker that has just begun, would be waited for until it ends by itself.
const lastPolls = time.Second

// freshPoll is how long a poll may take to be given what waits on its queue already. The
// server loses what it is about to give to a poll that it is asked to end, and counts the
// attempt: such a one is not ended.
const freshPoll = 250 * time.Millisecond

// polls knows a client's polls, and ends them.
type polls struct {
	tasks, watches cutter // those of the queues for watches go on while a worker drains

	mu     sync.Mutex
	open   int
	newest time.Time     // when the last one for activities began
	none   chan struct{} // closed when none is open; nil: nobody waits for that
}

// cutter ends polls, those that are open and those that come.
type cutter struct {
	ctx context.Context
	cut context.CancelFunc
}

func newPolls() *polls {
	p := &polls{}
	for _, c := range []*cutter{&p.tasks, &p.watches} {
		c.ctx, c.cut = context.WithCancel(context.Background())
	}
	return p
}

// of returns what ends a poll that asks for req.
func (p *polls) of(req any) cutter {
	poll, ok := req.(interface{ GetTaskQueue() *taskqueuepb.TaskQueue })
	if ok && activities.IsWatchQueue(poll.GetTaskQueue().GetName()) {
		return p.watches
	}
	return p.tasks
}

// begin notes that a poll begins, and returns what notes that it has ended.
func (p *polls) begin(method string) (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	if strings.HasSuffix(method, "/PollActivityTaskQueue") {
		p.newest = time.Now()
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.open--; p.open == 0 && p.none != nil {
			close(p.none)
			p.none = nil
		}
	}
}

// settle returns when no poll for activities is fresh any more, or after lastPolls. Whoever
// calls it has seen to it that few others begin. Workflow tasks have attempts without end.
func (p *polls) settle() {
	for began := time.Now(); time.Since(began) < lastPolls; {
		p.mu.Lock()
		left := freshPoll - time.Since(p.newest)
		p.mu.Unlock()
		if left <= 0 {
			return
		}
		time.Sleep(left)
	}
}

// ended returns what is closed once no poll is open.
func (p *polls) ended() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.none != nil {
		return p.none
	}
	none := make(chan struct{})
	if p.open == 0 {
		close(none)
	} else {
		p.none = none
	}
	return none
}

// until is for the options of the client's connection.
func (p *polls) until(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if health.IsPoll(method) {
		var end context.CancelFunc
		ctx, end = context.WithCancel(ctx)
		defer end()
		defer context.AfterFunc(p.of(req).ctx, end)()
		defer p.begin(method)()
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}
