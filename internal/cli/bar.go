package cli

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
)

// bar shows how far one thing has come, how fast it goes, and when it will be
// there: on a terminal a bar, redrawn in place; elsewhere a line now and then. It
// is safe for concurrent use.
type bar struct {
	s     *screen
	label string
	now   func() time.Time

	mu    sync.Mutex
	drawn time.Time
	pace  pace
}

const (
	barWidth = 12                     // columns: leaves room for the numbers on 80
	redraws  = 100 * time.Millisecond // between two redraws: smooth to the eye, cheap
	reports  = 10 * time.Second       // between two lines where there is no terminal
)

func (s *screen) newBar(label string, now func() time.Time) *bar {
	t := now()
	return &bar{s: s, label: label, now: now, drawn: t, pace: pace{{t, 0}}}
}

// update shows that done of total bytes are through; a total of 0 or less is
// one that nobody knows.
func (b *bar) update(done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, every := b.now(), redraws
	b.pace.mark(now, done)
	if !b.s.errTTY {
		every = reports
	}
	if now.Sub(b.drawn) < every {
		return
	}
	b.drawn = now
	if b.s.errTTY {
		b.s.redraw(b.line(done, total, true))
	} else {
		b.s.say("%s", b.line(done, total, false))
	}
}

// done takes the bar away.
func (b *bar) done() { b.s.redraw("") }

func (b *bar) line(done, total int64, picture bool) string {
	parts := []string{fmt.Sprintf("%-10s", b.label)}
	if total > 0 {
		share := min(float64(done)/float64(total), 1)
		if picture {
			parts = append(parts, b.s.paintErr(blue, drawBar(share)))
		}
		parts = append(parts, fmt.Sprintf("%3.0f%%", math.Floor(share*100)), bytesOf(done)+" of "+bytesOf(total)) // 100% is the end
	} else {
		parts = append(parts, bytesOf(done))
	}
	if rate, ok := b.pace.rate(); ok {
		parts = append(parts, bytesOf(int64(rate))+"/s")
		if left := float64(total-done) / rate; left > 0 && left < maxLeft.Seconds() {
			parts = append(parts, timeLeft(time.Duration(left*float64(time.Second)))+" left")
		}
	}
	return strings.Join(parts, "  ")
}

// maxLeft is from when on no time is told: what goes so slowly stands still.
const maxLeft = 100 * time.Hour

// timeLeft renders a guess: in whole seconds, never none.
func timeLeft(d time.Duration) string {
	d = (d + time.Second - 1).Truncate(time.Second)
	if d < 10*time.Second {
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return short(d)
}

func drawBar(share float64) string {
	full := int(share * barWidth)
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}

// pace is how far a thing had come at moments of the last seconds: what it does
// now says more about what is left than how it began. It is never empty.
type pace []moment

type moment struct {
	at   time.Time
	done int64
}

const (
	paceWindow = 5 * time.Second        // that the rate is of: calm enough to be read, and soon true
	paceStep   = 250 * time.Millisecond // between two moments that are kept
	paceLeast  = 500 * time.Millisecond // from when on there is a rate to speak of
)

// mark notes how far it has come. What goes back begins anew.
func (p *pace) mark(now time.Time, done int64) {
	m := *p
	last := len(m) - 1
	switch {
	case done < m[last].done:
		m = append(m[:0], moment{now, done})
	case last > 0 && now.Sub(m[last-1].at) < paceStep:
		m[last] = moment{now, done}
	default:
		m = append(m, moment{now, done})
	}
	// The first one is the last that is older than the window, so that one that
	// stood still for long is not fast because of its first step.
	for len(m) > 1 && now.Sub(m[1].at) >= paceWindow {
		m = m[1:]
	}
	*p = m
}

// rate is in bytes a second.
func (p pace) rate() (bytes float64, ok bool) {
	first, last := p[0], p[len(p)-1]
	d := last.at.Sub(first.at)
	if d < paceLeast || last.done == first.done {
		return 0, false
	}
	return float64(last.done-first.done) / d.Seconds(), true
}
