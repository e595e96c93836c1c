package gofuzz

import (
	"regexp"
	"strings"
)

var (
	sayPanic     = regexp.MustCompile(`^testing\.go:\d+: (panic: .*)$`)
	sayPlace     = regexp.MustCompile(`^[^\s:]+\.go:\d+: `)
	sayGoroutine = regexp.MustCompile(`^goroutine \d+ \[`)
)

// failure is the report of a failure as a program of its own would give it: without
// the indentation of subtests, the frames that printed the stack, and what Go says to
// people at a terminal.
func (p *progress) failure() string {
	p.mu.Lock()
	text := string(p.report)
	p.mu.Unlock()
	var lines []string
	indented, skip := false, 0
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		indented = indented || strings.HasPrefix(line, "--- FAIL: ")
		if indented {
			line = strings.TrimLeft(line, " ")
		}
		if m := sayPanic.FindStringSubmatch(line); m != nil {
			line = m[1]
		} else if indented && sayPlace.MatchString(line) {
			line = "    " + line // of t.Error and its like, who always indent
		}
		switch {
		case strings.HasPrefix(line, "Failing input written to "), line == "FAIL":
			return strings.TrimSpace(strings.Join(lines, "\n"))
		case skip > 0:
			skip--
			continue
		case line == "runtime/debug.Stack()": // and the function that called it, with their places
			skip = 3
			continue
		case sayGoroutine.MatchString(line) && len(lines) > 0 && lines[len(lines)-1] != "":
			lines = append(lines, "")
		}
		lines = append(lines, line)
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
