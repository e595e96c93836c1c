package finding

import (
	"fmt"
	"regexp"
	"strings"
)

// Glob matches slash-separated paths and rule ids: ? is one character, * any
// number of them, neither a slash; ** is anything, slashes too. It compiles to an RE2
// expression, so that no pattern of a hostile project can take more than linear time.
type Glob struct {
	text string
	re   *regexp.Regexp
}

// ParseGlob compiles a pattern. A leading slash is ignored; a trailing one means
// everything below; a leading "**/" also matches nothing at all.
func ParseGlob(s string) (Glob, error) {
	p := strings.TrimPrefix(s, "/")
	if p == "" {
		return Glob{}, fmt.Errorf("the pattern is empty")
	}
	if strings.HasSuffix(p, "/") {
		p += "**"
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for len(p) > 0 {
		switch {
		case strings.HasPrefix(p, "**/"):
			b.WriteString(`(?:.*/)?`)
			p = p[3:]
		case strings.HasPrefix(p, "**"):
			b.WriteString(`.*`)
			p = p[2:]
		case p[0] == '*':
			b.WriteString(`[^/]*`)
			p = p[1:]
		case p[0] == '?':
			b.WriteString(`[^/]`)
			p = p[1:]
		default:
			n := strings.IndexAny(p, "*?")
			if n < 0 {
				n = len(p)
			}
			b.WriteString(regexp.QuoteMeta(p[:n]))
			p = p[n:]
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return Glob{}, fmt.Errorf("the pattern is not valid UTF-8 or too large")
	}
	return Glob{s, re}, nil
}

// Match reports whether the whole of s matches.
func (g Glob) Match(s string) bool { return g.re != nil && g.re.MatchString(s) }

func (g Glob) String() string { return g.text }
