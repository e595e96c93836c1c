package cli

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// bar shows how far one thing has come: on a terminal a bar with its rate,
// redrawn in place; elsewhere a line now and then. It is safe for concurrent use.
type bar struct {
	s     *screen
	label string
	now   func() time.Time

	mu      sync.Mutex
	started time.Time
	drawn   time.Time
}

const (
	barWidth = 24                     // columns: leaves room for the numbers on 80
	redraws  = 100 * time.Millisecond // between two redraws: smooth to the eye, cheap
	reports  = 10 * time.Second       // between two lines where there is no terminal
)

func (s *screen) newBar(label string, now func() time.Time) *bar {
	t := now()
	return &bar{s: s, label: label, now: now, started: t, drawn: t}
}

// update shows that done of total bytes are through; a total of 0 or less is
// one that nobody knows.
func (b *bar) update(done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, every := b.now(), redraws
	if !b.s.errTTY {
		every = reports
	}
	if now.Sub(b.drawn) < every {
		return
	}
	b.drawn = now
	if b.s.errTTY {
		b.s.redraw(b.line(done, total, now, true))
	} else {
		b.s.say("%s", b.line(done, total, now, false))
	}
}

// done takes the bar away.
func (b *bar) done() { b.s.redraw("") }

func (b *bar) line(done, total int64, now time.Time, picture bool) string {
	parts := []string{fmt.Sprintf("%-10s", b.label)}
	if total > 0 {
		share := min(float64(done)/float64(total), 1)
		if picture {
			parts = append(parts, b.s.paintErr(blue, drawBar(share)))
		}
		parts = append(parts, fmt.Sprintf("%3.0f%%", share*100), bytesOf(done)+" of "+bytesOf(total))
	} else {
		parts = append(parts, bytesOf(done))
	}
	if secs := now.Sub(b.started).Seconds(); secs >= 0.5 {
		parts = append(parts, bytesOf(int64(float64(done)/secs))+"/s")
	}
	return strings.Join(parts, "  ")
}

func drawBar(share float64) string {
	full := int(share * barWidth)
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}
