package excerpt

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	short := New(100, 100)
	short.Add("one\n")
	short.Add("two\n")
	if got := short.String(); got != "one\ntwo\n" {
		t.Errorf("all of it is %q", got)
	}

	long := New(20, 50)
	for i := range 10_000 {
		_, _ = fmt.Fprintf(long, "line %d é\n", i) // it never fails
	}
	got := long.String()
	if !strings.HasPrefix(got, "line 0 é\n") || !strings.HasSuffix(got, "\nline 9999 é\n") || !strings.Contains(got, "[…]\n") {
		t.Errorf("the excerpt is %q", got)
	}
	if len(got) > 20+50+len("[…]\n") || !utf8.ValidString(got) || cap(long.tail) > 500 {
		t.Errorf("it has %d bytes, and keeps %d: %q", len(got), cap(long.tail), got)
	}

	endless := New(10, 30)
	endless.Add(strings.Repeat("x", 1000))
	if got := endless.String(); got != "[…]\n"+strings.Repeat("x", 30) {
		t.Errorf("of one line there is %q", got)
	}
}
