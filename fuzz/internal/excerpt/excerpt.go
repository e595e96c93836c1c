// Package excerpt keeps the beginning and the end of a text that may be endless.
package excerpt

import "strings"

// Text is what is kept. It is not safe for concurrent use.
type Text struct {
	head, tail []byte
	most       int // bytes of the head
	last       int // bytes of the tail
	left       bool
	past       bool // the head is full
}

// New returns an empty Text that keeps the first head and the last tail bytes.
func New(head, tail int) *Text { return &Text{most: head, last: tail} }

// Add adds a piece of the text, lines as a rule.
func (t *Text) Add(s string) {
	if !t.past && len(t.head)+len(s) <= t.most {
		t.head = append(t.head, s...)
		return
	}
	t.past = true
	if len(s) > t.last {
		s, t.left = s[len(s)-t.last:], true
	}
	t.tail = append(t.tail, s...)
	// Moved only now and then: a copy for each line would cost the square of the text.
	if len(t.tail) > 2*t.last {
		t.tail = append(t.tail[:0], t.tail[len(t.tail)-t.last:]...)
		t.left = true
	}
}

// Write implements io.Writer. It never fails.
func (t *Text) Write(p []byte) (int, error) {
	t.Add(string(p))
	return len(p), nil
}

// String is the text, with a line in the place of what is not there.
func (t *Text) String() string {
	tail, left := t.tail, t.left
	if len(tail) > t.last {
		tail, left = tail[len(tail)-t.last:], true
	}
	if !left {
		return string(t.head) + string(tail)
	}
	// Neither half a line nor half a character.
	whole := string(tail)
	if _, after, ok := strings.Cut(whole, "\n"); ok && after != "" {
		whole = after
	}
	return string(t.head) + "[…]\n" + strings.ToValidUTF8(whole, "")
}
