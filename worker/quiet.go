package worker

import (
	"context"
	"log/slog"
)

// quiet passes the SDK's log records on, each one level lower. What is an error
// to the SDK, an activity that failed for example, is everyday life here, and is
// logged by whoever knows what it means. Runs have the names in them that they have in
// all others.
type quiet struct{ slog.Handler }

// step is the distance between two of slog's levels.
const step = slog.LevelWarn - slog.LevelInfo

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, level-step)
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	lower := slog.NewRecord(r.Time, r.Level-step, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		lower.AddAttrs(named(a))
		return true
	})
	return q.Handler.Handle(ctx, lower)
}

// named returns what the SDK says of a run under the name that everybody uses.
func named(a slog.Attr) slog.Attr {
	switch a.Key {
	case "WorkflowID":
		a.Key = "workflow_id"
	case "RunID":
		a.Key = "run_id"
	}
	return a
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	all := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		all[i] = named(a)
	}
	return quiet{q.Handler.WithAttrs(all)}
}

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
