package worker

import (
	"context"
	"log/slog"
)

// quiet passes the SDK's log records on, each one level lower. What is an error
// to the SDK, an activity that failed for example, is everyday life here, and is
// logged by whoever knows what it means.
type quiet struct{ slog.Handler }

// step is the distance between two of slog's levels.
const step = slog.LevelWarn - slog.LevelInfo

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, level-step)
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level -= step
	return q.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
