package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/server/common/log/tag"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A worker that stops leaves its polls: a command that ends must not end with the
// server's complaints about that.
func TestCallsThatTheirCallersGaveUpAreNotLogged(t *testing.T) {
	for _, tc := range []struct {
		err    error
		logged bool
	}{
		{context.Canceled, false},
		{fmt.Errorf("poll: %w", context.Canceled), false},
		{status.Error(codes.Canceled, "context canceled"), false},
		{serviceerror.NewCanceled("context canceled"), false},
		{context.DeadlineExceeded, true},
		{status.Error(codes.Unavailable, "down"), true},
		{errors.New("disk on fire"), true},
	} {
		var out bytes.Buffer
		l := newServerLog(slog.New(slog.NewTextHandler(&out, nil)), slog.LevelError)
		l.Error("Unable to call matching.PollWorkflowTaskQueue.", tag.Error(tc.err))
		if got := strings.Contains(out.String(), "PollWorkflowTaskQueue"); got != tc.logged {
			t.Errorf("%T %v: logged %v, want %v", tc.err, tc.err, got, tc.logged)
		}
	}
}
