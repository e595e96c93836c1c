package people_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cordonlabs/cordon/internal/people"
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
			if got := people.Plain(tt.in); got != tt.want {
				t.Errorf("Plain(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"", "a", "\x1b[31m", "\xff\xfe", "\u202e", "a\r\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := people.Plain(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || strings.ContainsFunc(got, func(r rune) bool { return unicode.Is(unicode.Cf, r) }) {
			t.Errorf("Plain(%q) = %q", s, got)
		}
		if people.Plain(got) != got {
			t.Errorf("plain is not idempotent on %q", s)
		}
	})
}

func TestNumbersForPeople(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tests := []struct{ got, want string }{
		{people.Count(1, "file", "files"), "1 file"},
		{people.Count(0, "file", "files"), "0 files"},
		{people.Count(1234567, "file", "files"), "1,234,567 files"},
		{people.Thousands(-1234), "-1,234"},
		{people.Thousands(-123), "-123"},
		{people.Short(340 * time.Millisecond), "0.3 s"},
		{people.Short(42 * time.Second), "42 s"},
		{people.Short(3*time.Minute + 5*time.Second), "3 min 5 s"},
		{people.Short(2 * time.Hour), "2 h"},
		{people.Short(50*time.Hour + time.Minute), "2 d 2 h"},
		{people.Ago(now.Add(-30*time.Second), now), "just now"},
		{people.Ago(now.Add(-90*time.Minute), now), "1 h ago"},
		{people.Until(now.Add(7*24*time.Hour-time.Second), now), "in 7 d"},
		{people.Until(time.Time{}, now), "–"},
		{people.Until(now.Add(-time.Hour), now), "now"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
