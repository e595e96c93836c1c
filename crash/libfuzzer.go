package crash

import (
	"regexp"
	"strings"
)

var (
	libfuzzerHead = regexp.MustCompile(`ERROR: libFuzzer: (.+)$`)
	assertion     = regexp.MustCompile("Assertion [`'](.+)' failed|[Aa]ssertion failed: (.+)$")
	terminate     = regexp.MustCompile(`terminate called after throwing an instance of '(.+)'|terminating (?:with|due to) uncaught exception of type ([^:]+(?:::[^:]+)*)`)
)

// libfuzzer reads what libFuzzer itself says: of a signal, a limit, an end of the
// process. What the program said before it died is in the lines before.
func (p *parser) libfuzzer() (Report, bool) {
	var head []string
	at := p.find(func(line string) bool { head = libfuzzerHead.FindStringSubmatch(line); return head != nil })
	if at < 0 {
		return Report{}, false
	}
	r := Report{Detail: head[1]}
	switch said := head[1]; {
	case strings.HasPrefix(said, "timeout"):
		r.Type = "timeout"
	case strings.HasPrefix(said, "out-of-memory"):
		r.Type = "out-of-memory"
	case strings.HasPrefix(said, "deadly signal"):
		r.Type = "deadly-signal"
	case strings.Contains(said, "exited"):
		r.Type = "exit"
	case strings.HasPrefix(said, "overwrites"):
		r.Type = "overwrites-const-input"
	default:
		r.Type, _, _ = strings.Cut(said, " (")
	}
	r.Frames, _ = p.stack(at + 1)
	if r.Type == "deadly-signal" {
		p.died(at, &r)
	}
	if r.Title == "" {
		r.Title = r.Type
	}
	return r, true
}

// died says more of a deadly signal: by what the program printed before it, or by
// the function that raised it.
func (p *parser) died(at int, r *Report) {
	for i := at - 1; i >= 0; i-- {
		if m := assertion.FindStringSubmatch(p.lines[i]); m != nil {
			r.Type, r.Title = "assertion", "assertion failed: "+m[1]+m[2]
			r.Detail = strings.TrimSpace(p.lines[i])
			return
		}
		if m := terminate.FindStringSubmatch(p.lines[i]); m != nil {
			r.Type, r.Title = "uncaught-exception", "uncaught "+m[1]+m[2]
			r.Detail = strings.TrimSpace(p.lines[i])
			if i+1 < at && strings.Contains(p.lines[i+1], "what():") {
				r.Detail += "\n" + strings.TrimSpace(p.lines[i+1])
			}
			return
		}
	}
	for _, f := range r.Frames {
		if !f.Runtime {
			return
		}
		if f.Func == "abort" {
			r.Type = "abort"
		}
	}
}
