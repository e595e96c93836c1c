package worker

import (
	"context"
	"log/slog"
)

// hosted adds the host to each log record, behind what that says: people search for what
// follows a message.
type hosted struct {
	slog.Handler
	host slog.Attr
}

// onHost returns a logger whose every line names the host, as its queues do.
func onHost(log *slog.Logger, id string) *slog.Logger {
	return slog.New(hosted{log.Handler(), slog.String("host", id)})
}

// Handle implements slog.Handler.
func (h hosted) Handle(ctx context.Context, r slog.Record) error {
	r = r.Clone()
	r.AddAttrs(h.host)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h hosted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return hosted{h.Handler.WithAttrs(attrs), h.host}
}

// WithGroup implements slog.Handler.
func (h hosted) WithGroup(name string) slog.Handler {
	return hosted{h.Handler.WithGroup(name), h.host}
}
