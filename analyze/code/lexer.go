package code

import (
	"strings"
	"unicode/utf8"
)

// dialect is what the lexer must know of a language.
type dialect uint8

const (
	pythonDialect dialect = iota
	jsDialect
	javaDialect
	phpDialect
	rubyDialect
)

// maxNesting bounds interpolations within interpolations: people write two. Where they are not closed, the
// rest of the file is read once for each.
const maxNesting = 8

// lexer cuts a file into tokens. Whatever the bytes are, it ends, in one pass: what cannot be
// lexed (a quote that nothing closes) is taken as a punctuation mark.
type lexer struct {
	d       dialect
	src     string
	pos     int
	depth   int
	blank   []byte // see source.blanked
	comment func(from, to int)
	pending []heredoc // whose bodies begin on the next line

	open         map[string]int // see unclosed
	broken       bool           // an interpolation was not closed
	lostHeredocs int
}

// run lexes until the end, or, in an interpolation, until the brace that closes it, which
// it leaves.
func (l *lexer) run(interpolation bool) (toks []token) {
	if l.d == phpDialect && !interpolation && l.depth == 0 {
		if l.html() {
			toks = append(toks, token{kind: ident, pos: l.pos, end: l.pos, text: "echo", nl: true, sp: true})
		}
	}
	braces := 0
	nl, sp := true, true
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		start := l.pos
		switch {
		case c == '\n':
			nl, sp = true, true
			l.pos++
			l.heredocs(toks)
			continue
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
			sp = true
			l.pos++
			continue
		case c == '\\' && l.pos+1 < len(l.src) && (l.src[l.pos+1] == '\n' || l.src[l.pos+1] == '\r'):
			l.pos += 2 // a continued line
			if l.src[l.pos-1] == '\r' && l.pos < len(l.src) && l.src[l.pos] == '\n' {
				l.pos++
			}
			sp = true
			continue
		case l.skipComment():
			sp = true
			nl = nl || strings.IndexByte(l.src[start:l.pos], '\n') >= 0
			continue
		case l.d == phpDialect && strings.HasPrefix(l.src[l.pos:], "?>"):
			l.pos += 2
			toks = append(toks, token{kind: punct, pos: start, end: l.pos, text: ";", nl: nl, sp: sp})
			if l.html() {
				toks = append(toks, token{kind: ident, pos: l.pos, end: l.pos, text: "echo", nl: true, sp: true})
			}
			nl, sp = true, true
			continue
		}
		if interpolation {
			switch c {
			case '{':
				braces++
			case '}':
				if braces == 0 {
					return toks
				}
				braces--
			}
		}
		t, ok := l.literal(toks)
		if !ok {
			t = l.plain()
		}
		t.pos, t.end, t.nl, t.sp = start, l.pos, nl, sp
		toks = append(toks, t)
		nl, sp = false, false
	}
	return toks
}

// literal lexes a string or the like, if one begins here.
func (l *lexer) literal(before []token) (token, bool) {
	start := l.pos
	var t token
	var ok bool
	switch l.d {
	case pythonDialect:
		t, ok = l.pythonString()
	case jsDialect:
		t, ok = l.jsString(before)
	case javaDialect:
		t, ok = l.javaString()
	case phpDialect:
		t, ok = l.phpString()
	case rubyDialect:
		t, ok = l.rubyString(before)
	}
	if !ok {
		l.pos = start
	}
	return t, ok
}

// operators with more than one character, longest first.
var operators = []string{
	">>>=", "===", "!==", "**=", "<<=", ">>=", "...", "<=>", "?->", "&&=", "||=", "??=", ">>>",
	"=>", "==", "!=", "<=", ">=", "->", "::", "?.", "&.", "+=", "-=", "*=", "/=", "%=", ".=", ":=", "|=", "&=", "^=",
	"**", "<<", "&&", "||", "??", "++", "--", "=~", "!~", "..", "//",
}

// plain lexes a name, a number or an operator.
func (l *lexer) plain() token {
	rest := l.src[l.pos:]
	c := rest[0]
	if n := l.identLen(rest); n > 0 {
		l.pos += n
		return token{kind: ident, text: rest[:n]}
	}
	if c >= '0' && c <= '9' {
		n := 1
		for n < len(rest) && (isWord(rest[n]) || rest[n] == '.' && n+1 < len(rest) && rest[n+1] >= '0' && rest[n+1] <= '9') {
			n++
		}
		l.pos += n
		return token{kind: number, text: rest[:n]}
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			l.pos += len(op)
			return token{kind: punct, text: op}
		}
	}
	_, n := utf8.DecodeRuneInString(rest)
	l.pos += n
	return token{kind: punct, text: rest[:n]}
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

// identLen returns the length of the name that s begins with, or 0.
func (l *lexer) identLen(s string) int {
	n := 0
	switch l.d {
	case phpDialect:
		for n < len(s) && (s[n] == '$' || s[n] == '\\') {
			n++
		}
	case rubyDialect:
		for n < len(s) && n < 2 && (s[n] == '@' || s[n] == '$') {
			n++
		}
	case jsDialect, javaDialect:
		for n < len(s) && s[n] == '$' {
			n++
		}
	}
	sigils := n
	if n >= len(s) || !isWord(s[n]) || s[n] >= '0' && s[n] <= '9' {
		if l.d == jsDialect || l.d == javaDialect {
			return sigils // $ alone is a name there
		}
		return 0
	}
	for n < len(s) && (isWord(s[n]) || s[n] == '$' && l.d != pythonDialect && l.d != rubyDialect || s[n] == '\\' && l.d == phpDialect) {
		n++
	}
	if l.d == rubyDialect && n < len(s) && (s[n] == '?' || s[n] == '!') && !(n+1 < len(s) && s[n+1] == '=') {
		n++
	}
	return n
}

// skipComment passes over a comment, if one begins here.
func (l *lexer) skipComment() bool {
	rest := l.src[l.pos:]
	n := 0
	line := func() int {
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			return i
		}
		return len(rest)
	}
	atLineStart := l.pos == 0 || l.src[l.pos-1] == '\n'
	switch {
	case l.d == pythonDialect && rest[0] == '#':
		n = line()
	case l.d == rubyDialect && rest[0] == '#':
		n = line()
	case l.d == rubyDialect && atLineStart && strings.HasPrefix(rest, "=begin"):
		n = len(rest)
		if i := strings.Index(rest, "\n=end"); i >= 0 {
			n = i + len("\n=end")
		}
	case l.d == rubyDialect && atLineStart && strings.HasPrefix(rest, "__END__"):
		n = len(rest)
	case l.d == phpDialect && rest[0] == '#' && !strings.HasPrefix(rest, "#["), l.d == phpDialect && strings.HasPrefix(rest, "//"):
		n = line()
		if i := strings.Index(rest[:n], "?>"); i >= 0 {
			n = i // a closing tag ends a PHP comment
		}
	case l.d == jsDialect && l.pos == 0 && strings.HasPrefix(rest, "#!"):
		n = line()
	case (l.d == jsDialect || l.d == javaDialect) && strings.HasPrefix(rest, "//"):
		n = line()
	case l.d != pythonDialect && l.d != rubyDialect && strings.HasPrefix(rest, "/*"):
		n = len(rest)
		if i := strings.Index(rest[2:], "*/"); i >= 0 {
			n = i + 4
		}
	}
	if n == 0 {
		return false
	}
	l.comment(l.pos, l.pos+n)
	l.wipe(l.pos, l.pos+n)
	l.pos += n
	return true
}

// wipe makes a range of the blanked text spaces, but for its line breaks.
func (l *lexer) wipe(from, to int) {
	for i := from; i < to; i++ {
		if l.blank[i] != '\n' {
			l.blank[i] = ' '
		}
	}
}

// html passes over what is not PHP, and reports whether the code that follows
// is printed (<?=).
func (l *lexer) html() (echo bool) {
	i := strings.Index(l.src[l.pos:], "<?")
	if i < 0 {
		l.wipe(l.pos, len(l.src))
		l.pos = len(l.src)
		return false
	}
	l.wipe(l.pos, l.pos+i)
	l.pos += i + 2
	rest := l.src[l.pos:]
	switch {
	case strings.HasPrefix(rest, "="):
		l.pos++
		return true
	case len(rest) >= 3 && strings.EqualFold(rest[:3], "php"):
		l.pos += 3
	}
	return false
}
