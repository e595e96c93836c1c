// Package people renders numbers, times and foreign text for people: on a terminal, and in
// a browser.
package people

import (
	"fmt"
	"time"
)

// Count renders a number of things: "1 file", "1,234 files".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Thousands(n) + " " + many
}

// Thousands renders a number with commas: "1,234".
func Thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Short renders a duration in one unit or two: "0.3 s", "42 s", "3 min 5 s",
// "2 h 10 min", "6 d 4 h".
func Short(d time.Duration) string {
	two := func(big, small time.Duration, bigName, smallName string) string {
		s := fmt.Sprintf("%d %s", d/big, bigName)
		if rest := d % big / small; rest > 0 {
			s += fmt.Sprintf(" %d %s", rest, smallName)
		}
		return s
	}
	const day = 24 * time.Hour
	switch d = max(d, 0); {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return two(time.Minute, time.Second, "min", "s")
	case d < day:
		return two(time.Hour, time.Minute, "h", "min")
	}
	return two(day, time.Hour, "d", "h")
}

// Ago renders a time by its distance from now: "just now", "5 min ago".
func Ago(t, now time.Time) string {
	if d := now.Sub(t); d >= time.Minute {
		return Coarse(d) + " ago"
	}
	return "just now"
}

// Age renders how long ago something was, without the word.
func Age(t, now time.Time) string {
	if d := now.Sub(t); d >= time.Minute {
		return Coarse(d)
	}
	return "new"
}

// Until renders a time to come: "in 6 d", or "–" where there is none.
func Until(t, now time.Time) string {
	switch d := t.Sub(now); {
	case t.IsZero():
		return "–"
	case d < time.Minute:
		return "now"
	default:
		return "in " + Coarse(d)
	}
}

// Coarse renders a duration of a minute or more in one unit; days are rounded, so
// that seven days to come are not six a second later.
func Coarse(d time.Duration) string {
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d d", d.Round(24*time.Hour)/(24*time.Hour))
}
