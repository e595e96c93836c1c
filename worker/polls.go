package worker

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/cordonlabs/cordon/internal/health"
)

// lastPolls is how long a worker that stops waits for the server to end its polls, which
// it is asked for: what one of them was about to bring is brought then, and not lost. It
// takes milliseconds; but a poll that gets to the server after that was asked, as one of a
// worker that has just begun, would be waited for until it ends by itself.
const lastPolls = time.Second

// polls knows a client's polls, and ends them.
type polls struct {
	ctx context.Context
	cut context.CancelFunc

	mu   sync.Mutex
	open int
	none chan struct{} // closed when none is open; nil: nobody waits for that
}

func newPolls() *polls {
	ctx, cut := context.WithCancel(context.Background())
	return &polls{ctx: ctx, cut: cut}
}

// add counts a poll that begins (1) or ends (-1).
func (p *polls) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open += n
	if p.open == 0 && p.none != nil {
		close(p.none)
		p.none = nil
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
		defer context.AfterFunc(p.ctx, end)()
		p.add(1)
		defer p.add(-1)
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}
