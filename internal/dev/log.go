package dev

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// noHTTP begins the warning that the HTTP API has no port. That is on purpose:
// what does not listen cannot be reached by a web page.
const noHTTP = "HTTP API port has not been set"

// serverLog passes what the server logs on to slog, from a level on.
//
// The server's Fatal means "end this process". While it starts, serverLog keeps
// the error and ends the goroutine instead, so that Start can return it; later
// it panics, because nothing that the server does after that can be relied on.
type serverLog struct {
	*logState
	log *slog.Logger
}

// logState is shared by a logger and those made of it by With.
type logState struct {
	level   slog.Leveler
	muted   atomic.Bool
	running atomic.Bool
	fatal   atomic.Pointer[error]
}

func newServerLog(l *slog.Logger, level slog.Leveler) *serverLog {
	return &serverLog{&logState{level: level}, l}
}

// quiet ends all logging.
func (l *serverLog) quiet() { l.muted.Store(true) }

func (l *serverLog) write(level slog.Level, msg string, tags []tag.Tag) {
	if l.muted.Load() || level < l.level.Level() || strings.HasPrefix(msg, noHTTP) {
		return
	}
	l.log.LogAttrs(context.Background(), level, msg, attrs(tags)...)
}

func attrs(tags []tag.Tag) []slog.Attr {
	out := make([]slog.Attr, len(tags))
	for i, t := range tags {
		out[i] = slog.Any(t.Key(), t.Value())
	}
	return out
}

// With implements log.WithLogger.
func (l *serverLog) With(tags ...tag.Tag) log.Logger {
	args := make([]any, len(tags))
	for i, a := range attrs(tags) {
		args[i] = a
	}
	return &serverLog{l.logState, l.log.With(args...)}
}

// Debug implements log.Logger, as do the methods that follow.
func (l *serverLog) Debug(msg string, tags ...tag.Tag) { l.write(slog.LevelDebug, msg, tags) }

// Info logs what the server did.
func (l *serverLog) Info(msg string, tags ...tag.Tag) { l.write(slog.LevelInfo, msg, tags) }

// Warn logs what the server thinks odd.
func (l *serverLog) Warn(msg string, tags ...tag.Tag) { l.write(slog.LevelWarn, msg, tags) }

// Error logs what the server failed at.
func (l *serverLog) Error(msg string, tags ...tag.Tag) { l.write(slog.LevelError, msg, tags) }

// DPanic logs a broken invariant that the server carries on with in production.
func (l *serverLog) DPanic(msg string, tags ...tag.Tag) { l.write(slog.LevelError, msg, tags) }

// Panic logs and panics.
func (l *serverLog) Panic(msg string, tags ...tag.Tag) {
	l.write(slog.LevelError, msg, tags)
	panic("embedded Temporal server: " + msg)
}

// Fatal does not return.
func (l *serverLog) Fatal(msg string, tags ...tag.Tag) {
	err := fatalError(msg, tags)
	l.write(slog.LevelError, err.Error(), nil)
	if l.running.Load() {
		panic("embedded Temporal server: " + err.Error())
	}
	l.fatal.CompareAndSwap(nil, &err)
	giveUp()
}

// fatalError keeps the error among the tags in the chain.
func fatalError(msg string, tags []tag.Tag) error {
	for _, t := range tags {
		if cause, ok := t.Value().(error); ok {
			return fmt.Errorf("%s: %w", msg, cause)
		}
		if t.Key() == "error" {
			return fmt.Errorf("%s: %v", msg, t.Value())
		}
	}
	return fmt.Errorf("%s", msg)
}
