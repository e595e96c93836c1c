package worker

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/cordonlabs/cordon/internal/health"
)

// lastPolls is how long a worker that stops waits for the server to end its polls, which
// it is asked for: what one of them was about to bring is brought then, and not lost. It
// takes milliseconds; but a poll that gets to the server after that was asked, as one of a
// worker that has just begun, would be waited for until it ends by itself.
const lastPolls = time.Second

// polls ends a client's polls.
type polls struct {
	ctx context.Context
	cut context.CancelFunc
}

func newPolls() polls {
	ctx, cut := context.WithCancel(context.Background())
	return polls{ctx, cut}
}

// until is for the options of the client's connection.
func (p *polls) until(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if health.IsPoll(method) {
		var end context.CancelFunc
		ctx, end = context.WithCancel(ctx)
		defer end()
		defer context.AfterFunc(p.ctx, end)()
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}
