package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
)

func TestTablesAlignWhatIsColouredToo(t *testing.T) {
	tab := newTable("SEVERITY", "SIZE", "WHERE")
	tab.right[1] = true
	tab.add(paint(true, red, "high"), "1 B", "a/very/long/path.py:12")
	tab.add("info", "100 kB", "b")
	lines := tab.lines(30)
	for _, line := range lines {
		if n := visible(line); n > 30 {
			t.Errorf("%q has %d columns", line, n)
		}
	}
	if !strings.HasSuffix(lines[1], "…") {
		t.Errorf("%q is not marked as cut", lines[1])
	}
	if want := "info      100 kB  b"; lines[2] != want {
		t.Errorf("got %q, want %q", lines[2], want)
	}
	if at := strings.Index(lines[1], "a/very"); visible(lines[1][:at]) != strings.Index(lines[2], "b") {
		t.Errorf("columns do not align:\n%s", strings.Join(lines, "\n"))
	}
	if whole := tab.lines(0); !strings.Contains(whole[1], "path.py:12") {
		t.Errorf("without a width, %q is cut", whole[1])
	}
}

func TestThereAreNoColoursAndNoBarsWhereThereIsNoTerminal(t *testing.T) {
	var out, talk bytes.Buffer
	s := newScreen(&out, &talk, func(string) string { return "" })
	clock := time.Unix(0, 0)
	b := s.newBar("uploading", func() time.Time { return clock })
	for i := range int64(30) {
		clock = clock.Add(time.Second)
		b.update(i*cordon.MB, 30*cordon.MB)
	}
	b.done()
	s.print("%s", s.paintOut(red, "x"))
	if strings.ContainsAny(talk.String()+out.String(), "\x1b\r█") {
		t.Errorf("got %q and %q", talk.String(), out.String())
	}
	if n := strings.Count(talk.String(), "\n"); n < 2 || n > 3 {
		t.Errorf("in 30 seconds there are %d lines:\n%s", n, talk.String())
	}
	if !strings.Contains(talk.String(), "% ") || !strings.Contains(talk.String(), "/s") {
		t.Errorf("no share and rate in %q", talk.String())
	}
}

func TestExitCodesFollowTheKindOfError(t *testing.T) {
	interrupted, interrupt := context.WithCancelCause(context.Background())
	interrupt(errInterrupted)
	of := func(k cordon.Kind) error { return &ranError{fmt.Errorf("x: %w", &cordon.Error{Kind: k})} }
	tests := []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"none", context.Background(), nil, 0},
		{"an error without a kind", context.Background(), errors.New("x"), 1},
		{"a rejected archive", context.Background(), of(cordon.ArchiveRejected), 1},
		{"a rejected input", context.Background(), rejected(of(cordon.InvalidArgument)), 1},
		{"refused access", context.Background(), of(cordon.PermissionDenied), 1},
		{"a wrong argument", context.Background(), of(cordon.InvalidArgument), 2},
		{"a wrong command line", context.Background(), &usageError{errors.New("x"), "cordon"}, 2},
		{"a missing target", context.Background(), of(cordon.TargetNotFound), 3},
		{"a service that is down", context.Background(), of(cordon.StorageUnavailable), 4},
		{"something held", context.Background(), of(cordon.Busy), 5},
		{"findings", context.Background(), &ranError{&codeError{errors.New("x"), ExitFindings}}, 6},
		{"a full disk", context.Background(), of(cordon.NoSpace), 7},
		{"an interrupt, whatever it broke", interrupted, of(cordon.StorageUnavailable), 130},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := exitCode(tt.ctx, tt.err); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
