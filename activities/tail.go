package activities

import (
	"strings"
	"sync"
	"unicode"
)

// tailBytes is how much of what a tool prints is kept for people, of each of its
// two outputs.
const tailBytes = 64 << 10

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	line func(string) // told every line; may be nil

	mu      sync.Mutex
	kept    []byte
	dropped bool
	partial []byte // the line that has not ended yet
}

// maxStage bounds a line that is told as progress, in bytes.
const maxStage = 200

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
		t.dropped = true
	}
	last := t.lastLine(b)
	t.mu.Unlock()
	if last != "" && t.line != nil {
		t.line(last)
	}
	return len(b), nil
}

// lastLine returns the last line that ends in b; a carriage return, which redraws a
// line on a terminal, ends one too.
func (t *tail) lastLine(b []byte) (line string) {
	for _, c := range b {
		switch {
		case c != '\n' && c != '\r':
			if len(t.partial) < maxStage {
				t.partial = append(t.partial, c)
			}
		case len(t.partial) > 0:
			if s := printable(string(t.partial)); s != "" {
				line = s
			}
			t.partial = t.partial[:0]
		}
	}
	return line
}

// String returns the end of what was written, with a mark where the beginning is missing.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.ToValidUTF8(string(t.kept), "\uFFFD")
	if t.dropped {
		s = "…" + s
	}
	return s
}

// printable drops control characters and what is no UTF-8.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, "")))
}

// lastLines returns the last lines of s, within n bytes.
func lastLines(s string, n int) string {
	s = strings.TrimSpace(s)
	if len(s) <= n {
		return s
	}
	s = s[len(s)-n:]
	if _, rest, ok := strings.Cut(s, "\n"); ok {
		s = rest
	}
	return "…" + strings.ToValidUTF8(s, "")
}
