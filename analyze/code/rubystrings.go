package code

import "strings"

// heredoc is one whose tag was read and whose body comes later.
type heredoc struct {
	tag string
	raw bool // no interpolation
	tok int  // Ruby: index of its token
}

// maxLostHeredocs bounds the searches through the whole file for an end that is not there.
const maxLostHeredocs = 16

// rubyString lexes Ruby's literals.
func (l *lexer) rubyString(before []token) (token, bool) {
	rest := l.src[l.pos:]
	operand := operandMayFollow(before)
	switch c := rest[0]; c {
	case '\'':
		l.pos++
		return l.body(quoted{close: "'", escapes: true, quoteTag: c})
	case '"', '`':
		l.pos++
		return l.body(quoted{close: string(c), escapes: true, open: "#{", quoteTag: c})
	case '/':
		// `a / b` divides and `puts /x/` does not: Ruby itself looks at the spaces.
		spaced := l.pos > 0 && l.src[l.pos-1] == ' ' && len(rest) > 1 && rest[1] != ' ' && rest[1] != '='
		if regexMayFollow(before) || spaced && len(before) > 0 && before[len(before)-1].kind == ident {
			return l.regex()
		}
	case '?':
		if operand && len(rest) > 1 && isWord(rest[1]) && (len(rest) == 2 || !isWord(rest[2])) {
			l.pos += 2
			return token{kind: str, quote: '\'', text: rest[1:2]}, true
		}
	case '%':
		spaced := l.pos > 0 && l.src[l.pos-1] == ' ' && len(rest) > 1 && rest[1] != ' ' && rest[1] != '='
		if operand || spaced && len(before) > 0 && before[len(before)-1].kind == ident {
			return l.rubyPercent(rest)
		}
	case '<':
		if h, ok := l.heredocTag(); ok {
			h.tok = len(before)
			l.pending = append(l.pending, h)
			return token{kind: str, quote: 'h'}, true
		}
	}
	return token{}, false
}

// operandMayFollow reports whether a value, rather than an operator, is to be expected.
func operandMayFollow(before []token) bool {
	return len(before) == 0 || regexMayFollow(before)
}

func (l *lexer) rubyPercent(rest string) (token, bool) {
	n, q := 1, quoted{escapes: true, open: "#{", quoteTag: '"'}
	if len(rest) > 2 && strings.IndexByte("qQwWiIxrs", rest[1]) >= 0 {
		n = 2
		switch rest[1] {
		case 'q', 'w', 'i', 's':
			q.open = ""
		case 'x':
			q.quoteTag = '`'
		case 'r':
			q.quoteTag = '/'
		}
	}
	if len(rest) <= n {
		return token{}, false
	}
	switch c := rest[n]; c {
	case '(':
		q.close, q.nest = ")", c
	case '[':
		q.close, q.nest = "]", c
	case '{':
		q.close, q.nest = "}", c
	case '<':
		q.close, q.nest = ">", c
	case '|', '!', '/', '^':
		q.close = string(c)
	default:
		return token{}, false
	}
	l.pos += n + 1
	return l.body(q)
}

// heredocTag reads <<~TAG, <<-"TAG", <<'TAG' (Ruby) or <<<TAG (PHP).
func (l *lexer) heredocTag() (heredoc, bool) {
	s := l.src[l.pos:min(len(l.src), l.pos+100)]
	i := 2
	if !strings.HasPrefix(s, "<<") || l.lostHeredocs >= maxLostHeredocs {
		return heredoc{}, false
	}
	if l.d == phpDialect {
		if !strings.HasPrefix(s, "<<<") {
			return heredoc{}, false
		}
		for i = 3; i < len(s) && (s[i] == ' ' || s[i] == '\t'); i++ {
		}
	} else if i < len(s) && (s[i] == '~' || s[i] == '-') {
		i++
	} else if i < len(s) && !(s[i] >= 'A' && s[i] <= 'Z') && s[i] != '"' && s[i] != '\'' {
		return heredoc{}, false // `a <<b` appends
	}
	var h heredoc
	if i < len(s) && (s[i] == '"' || s[i] == '\'' || s[i] == '`') {
		end := strings.IndexByte(s[i+1:], s[i])
		if end <= 0 {
			return heredoc{}, false
		}
		h = heredoc{tag: s[i+1 : i+1+end], raw: s[i] == '\''}
		i += end + 2
	} else {
		from := i
		for i < len(s) && isWord(s[i]) {
			i++
		}
		h = heredoc{tag: s[from:i]}
	}
	if h.tag == "" || h.tag[0] >= '0' && h.tag[0] <= '9' {
		return heredoc{}, false
	}
	l.pos += i
	return h, true
}

// heredocs lexes the bodies that begin on this line, into the tokens of their tags.
func (l *lexer) heredocs(toks []token) {
	pending := l.pending
	l.pending = nil
	for i, h := range pending {
		if h.tok >= len(toks) {
			continue
		}
		if i > 0 && l.pos < len(l.src) && l.src[l.pos] == '\n' {
			l.pos++ // the line of the tag before
		}
		if t, ok := l.heredocBody(h); ok {
			toks[h.tok].text, toks[h.tok].inner = t.text, t.inner
		}
	}
}

// heredocBody lexes the lines up to the one that begins with the tag.
func (l *lexer) heredocBody(h heredoc) (token, bool) {
	from := l.pos
	for at := from; at < len(l.src); {
		eol := strings.IndexByte(l.src[at:], '\n')
		lineEnd := len(l.src)
		if eol >= 0 {
			lineEnd = at + eol
		}
		line := strings.TrimLeft(l.src[at:lineEnd], " \t")
		if after, ok := strings.CutPrefix(line, h.tag); ok && (after == "" || !isWord(after[0])) {
			t := token{kind: str, quote: 'h', text: l.src[from:at]}
			if !h.raw && l.depth < maxNesting {
				q := quoted{escapes: true, open: "#{", quoteTag: 'h', toEnd: true}
				if l.d == phpDialect {
					q.open, q.simple = "{$", true
				}
				sub := &lexer{d: l.d, src: l.src[:at], pos: from, depth: l.depth + 1, comment: l.comment, blank: l.blank[:at]}
				if b, ok := sub.body(q); ok {
					t.text, t.inner = b.text, b.inner
				}
			} else {
				l.wipe(from, at)
			}
			l.pos = at + len(l.src[at:lineEnd]) - len(after)
			return t, true
		}
		at = lineEnd + 1
	}
	l.lostHeredocs++
	return token{}, false
}
