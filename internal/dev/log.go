package dev

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// noHTTP begins the warning that the HTTP API has no port. That is on purpose:
// what does not listen cannot be reached by a web page.
const noHTTP = "HTTP API port has not been set"

// serverLog passes what the server logs on to slog, from a level on.
//
// The server's Fatal means "end this process", and so it does by a panic: nothing
// that the server does after it can be relied on. While the server is built,
// which happens in one goroutine, startServices recovers it into an error.
type serverLog struct {
	*logState
	log  *slog.Logger
	tags []tag.Tag
}

// logState is shared by a logger and those made of it by With.
type logState struct {
	level slog.Leveler
	muted atomic.Bool
}

func newServerLog(l *slog.Logger, level slog.Leveler) *serverLog {
	return &serverLog{&logState{level: level}, l, nil}
}

// quiet ends all logging.
func (l *serverLog) quiet() { l.muted.Store(true) }

func (l *serverLog) write(level slog.Level, msg string, tags []tag.Tag) {
	if l.muted.Load() || level < l.level.Level() || strings.HasPrefix(msg, noHTTP) || callerLeft(tags) {
		return
	}
	attrs := make([]slog.Attr, 0, len(l.tags)+len(tags))
	for _, t := range slices.Concat(l.tags, tags) {
		attrs = append(attrs, slog.Any(t.Key(), t.Value()))
	}
	l.log.LogAttrs(context.Background(), level, msg, attrs...)
}

// With implements log.WithLogger. Tags are rendered when a line is written: most
// are not.
func (l *serverLog) With(tags ...tag.Tag) log.Logger {
	return &serverLog{l.logState, l.log, slices.Concat(l.tags, tags)}
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
	err := fatalError{withCause(msg, tags)}
	l.write(slog.LevelError, err.Error(), nil)
	panic(err)
}

// fatalError is what Fatal panics with.
type fatalError struct{ error }

func (e fatalError) Unwrap() error { return e.error }

// callerLeft reports whether what failed is a call that its caller has given up,
// as pollers do when their worker stops. That is no news to anybody.
func callerLeft(tags []tag.Tag) bool {
	err := causeIn(tags)
	var gaveUp *serviceerror.Canceled
	return errors.Is(err, context.Canceled) || errors.As(err, &gaveUp) || status.Code(err) == codes.Canceled
}

// withCause keeps the error among the tags in the chain.
func withCause(msg string, tags []tag.Tag) error {
	if cause := causeIn(tags); cause != nil {
		return fmt.Errorf("%s: %w", msg, cause)
	}
	return errors.New(msg)
}

// causeIn returns the error among the tags, or nil.
func causeIn(tags []tag.Tag) error {
	for _, t := range tags {
		if z, ok := t.(tag.ZapTag); ok {
			if cause, ok := z.Field().Interface.(error); ok {
				return cause
			}
		}
	}
	return nil
}
