package pack

import (
	"fmt"
	"regexp"
	"strings"
)

// compile returns the matcher of a pattern of an ignore file. With base it is
// matched against names, else against whole paths, where only "**" between
// slashes crosses a '/'. A malformed pattern matches nothing.
//
// Patterns come with a project that may be hostile: they become expressions of
// package regexp, which takes linear time, and are matched byte by byte, as git
// matches them.
func compile(p string, base bool) func(string) bool {
	if !strings.ContainsAny(p, `*?[\`) {
		return func(s string) bool { return s == p }
	}
	if tail, ok := strings.CutPrefix(p, "*"); ok && base && !strings.ContainsAny(tail, `*?[\`) {
		return func(s string) bool { return strings.HasSuffix(s, tail) }
	}
	expr, ok := translate(p, base)
	if !ok {
		return func(string) bool { return false }
	}
	re, err := regexp.Compile(expr)
	if err != nil { // larger than regexp allows: about a megabyte of pattern
		return func(string) bool { return false }
	}
	return func(s string) bool { return re.MatchString(latin1(s)) }
}

// latin1 returns s with each byte as the character of that number, so that an
// expression's characters are s's bytes, whatever the encoding.
func latin1(s string) string {
	ascii := true
	for i := 0; i < len(s) && ascii; i++ {
		ascii = s[i] < 0x80
	}
	if ascii {
		return s
	}
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

func literal(c byte) string { return regexp.QuoteMeta(string(rune(c))) }

// translate returns the regular expression of a pattern; ok is false if the
// pattern is malformed.
func translate(p string, base bool) (expr string, ok bool) {
	var b strings.Builder
	b.WriteString(`(?s)\A(?:`)
	for i := 0; i < len(p); i++ {
		switch c := p[i]; c {
		case '*':
			n := 1
			for i+n < len(p) && p[i+n] == '*' {
				n++
			}
			next := i + n
			bounded := (i == 0 || p[i-1] == '/') && (next == len(p) || p[next] == '/')
			switch {
			case n < 2 || base || !bounded:
				b.WriteString(`[^/]*`)
			case next == len(p):
				b.WriteString(`.*`)
			default: // "**/": any number of folders, none too
				b.WriteString(`(?:.*/)?`)
				next++
			}
			i = next - 1
		case '?':
			b.WriteString(`[^/]`)
		case '[':
			set, n, ok := parseSet(p[i+1:])
			if !ok {
				return "", false
			}
			b.WriteString(set.expr())
			i += n
		case '\\':
			if i++; i == len(p) {
				return "", false
			}
			b.WriteString(literal(p[i]))
		default:
			b.WriteString(literal(c))
		}
	}
	b.WriteString(`)\z`)
	return b.String(), true
}

// byteSet is what a bracket expression matches.
type byteSet [256]bool

func (s *byteSet) add(lo, hi byte) {
	for c := int(lo); c <= int(hi); c++ {
		s[c] = true
	}
}

// expr returns the set as a character class of package regexp.
func (s *byteSet) expr() string {
	var b strings.Builder
	for c, in := range s {
		if in {
			fmt.Fprintf(&b, `\x{%x}`, c)
		}
	}
	if b.Len() == 0 {
		return `[^\x{0}-\x{10FFFF}]`
	}
	return "[" + b.String() + "]"
}

// parseSet reads a bracket expression from behind its '['. n is how many bytes
// it has, the ']' included.
func parseSet(p string) (set *byteSet, n int, ok bool) {
	set = new(byteSet)
	i := 0
	negated := i < len(p) && (p[i] == '!' || p[i] == '^')
	if negated {
		i++
	}
	var prev int // the character that a '-' would make the start of a range, or 0
	for first := true; ; first = false {
		if i >= len(p) {
			return nil, 0, false
		}
		c := p[i]
		switch {
		case c == ']' && !first:
			if negated {
				for c := range set {
					set[c] = !set[c]
				}
			}
			set['/'] = false // no bracket matches a slash
			return set, i + 1, true
		case c == '\\':
			if i++; i >= len(p) {
				return nil, 0, false
			}
			set.add(p[i], p[i])
			prev = int(p[i])
			i++
		case c == '-' && prev != 0 && i+1 < len(p) && p[i+1] != ']':
			if i++; p[i] == '\\' {
				if i++; i >= len(p) {
					return nil, 0, false
				}
			}
			set.add(byte(prev), p[i])
			prev = 0
			i++
		case c == '[' && i+1 < len(p) && p[i+1] == ':':
			end := strings.IndexByte(p[i+2:], ']')
			if end < 0 {
				return nil, 0, false
			}
			name, isClass := strings.CutSuffix(p[i+2:i+2+end], ":")
			if !isClass { // a '[' and a ':' like any other
				set.add(c, c)
				prev = int(c)
				i++
				break
			}
			in, known := classes[name]
			if !known {
				return nil, 0, false
			}
			for c := range set {
				set[c] = set[c] || c < 0x80 && in(byte(c))
			}
			prev = 0
			i += 2 + end + 1
		default:
			set.add(c, c)
			prev = int(c)
			i++
		}
	}
}

func between(lo, hi byte) func(byte) bool {
	return func(c byte) bool { return lo <= c && c <= hi }
}

func either(fs ...func(byte) bool) func(byte) bool {
	return func(c byte) bool {
		for _, f := range fs {
			if f(c) {
				return true
			}
		}
		return false
	}
}

var (
	upper = between('A', 'Z')
	lower = between('a', 'z')
	digit = between('0', '9')
	alpha = either(upper, lower)
	alnum = either(alpha, digit)
	graph = between('!', '~')
)

// classes are the named sets of POSIX, in ASCII.
var classes = map[string]func(byte) bool{
	"alnum":  alnum,
	"alpha":  alpha,
	"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
	"cntrl":  func(c byte) bool { return c < ' ' || c == 0x7f },
	"digit":  digit,
	"graph":  graph,
	"lower":  lower,
	"print":  between(' ', '~'),
	"punct":  func(c byte) bool { return graph(c) && !alnum(c) },
	"space":  either(between('\t', '\r'), func(c byte) bool { return c == ' ' }),
	"upper":  upper,
	"xdigit": either(digit, between('a', 'f'), between('A', 'F')),
}
