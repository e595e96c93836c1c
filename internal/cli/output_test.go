package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cordonlabs/cordon"
)

func TestPlainMakesControlCharactersVisible(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"ordinary text stays", "größe/файл.py", "größe/файл.py"},
		{"an escape sequence cannot act", "a\x1b[2Jb", `a\x1b[2Jb`},
		{"C1 controls neither", "a\u009bb", `a\u009bb`},
		{"a line end cannot begin a line", "a\ncordon: ok", `a\ncordon: ok`},
		{"text is not turned around", "a\u202egpj.exe", `a\u202egpj.exe`},
		{"bytes that are no UTF-8 show", "a\xffb", `a\xffb`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := plain(tt.in); got != tt.want {
				t.Errorf("plain(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"", "a", "\x1b[31m", "\xff\xfe", "\u202e", "a\r\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := plain(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || strings.ContainsFunc(got, func(r rune) bool { return unicode.Is(unicode.Cf, r) }) {
			t.Errorf("plain(%q) = %q", s, got)
		}
		if plain(got) != got {
			t.Errorf("plain is not idempotent on %q", s)
		}
	})
}

func TestNumbersForPeople(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tests := []struct{ got, want string }{
		{count(1, "file", "files"), "1 file"},
		{count(0, "file", "files"), "0 files"},
		{count(1234567, "file", "files"), "1,234,567 files"},
		{thousands(-1234), "-1,234"},
		{thousands(-123), "-123"},
		{short(340 * time.Millisecond), "0.3 s"},
		{short(42 * time.Second), "42 s"},
		{short(3*time.Minute + 5*time.Second), "3 min 5 s"},
		{short(2 * time.Hour), "2 h"},
		{short(50*time.Hour + time.Minute), "2 d 2 h"},
		{ago(now.Add(-30*time.Second), now), "just now"},
		{ago(now.Add(-90*time.Minute), now), "1 h ago"},
		{until(now.Add(7*24*time.Hour-time.Second), now), "in 7 d"},
		{until(time.Time{}, now), "–"},
		{until(now.Add(-time.Hour), now), "now"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

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
