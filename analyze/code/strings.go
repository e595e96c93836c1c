package code

import "strings"

// quoted describes a string literal whose opening has been read.
type quoted struct {
	close    string // what ends it
	escapes  bool   // a backslash takes the next character with it
	oneLine  bool   // a line break before its end means that it is no string
	open     string // what begins an interpolation: "${", "#{", "{$"
	simple   bool   // PHP: $name is an interpolation too
	nest     byte   // Ruby: an opening bracket that must be closed within
	quoteTag byte
	toEnd    bool // the literal is all that is left (a heredoc's body)
}

// unclosed notes that the literal that closes with q.close, begun before now, finds no
// close before offset to. Another one that begins before it need not look again; else many
// such quotes would take quadratic time.
func (l *lexer) unclosed(q quoted, to int) (token, bool) {
	if l.open == nil {
		l.open = make(map[string]int)
	}
	l.open[q.close] = max(l.open[q.close], to)
	return token{}, false
}

// body lexes the rest of a literal.
func (l *lexer) body(q quoted) (token, bool) {
	if l.pos <= l.open[q.close] {
		return token{}, false
	}
	t := token{kind: str, quote: q.quoteTag}
	var b strings.Builder
	nested := 0
	wipeFrom := l.pos
	var keep [][2]int
	end := func() (token, bool) {
		l.wipe(wipeFrom, l.pos)
		for _, k := range keep {
			copy(l.blank[k[0]:k[1]], l.src[k[0]:k[1]])
		}
		l.pos += len(q.close)
		t.text = b.String()
		return t, true
	}
	for {
		if l.pos >= len(l.src) {
			if q.toEnd {
				return end()
			}
			return l.unclosed(q, len(l.src))
		}
		rest := l.src[l.pos:]
		c := rest[0]
		switch {
		case q.escapes && c == '\\' && len(rest) > 1:
			b.WriteString(rest[:2])
			l.pos += 2
			continue
		case q.nest != 0 && c == q.nest:
			nested++
		case !q.toEnd && strings.HasPrefix(rest, q.close):
			if nested == 0 {
				return end()
			}
			nested--
		case q.oneLine && c == '\n':
			return l.unclosed(q, l.pos)
		case q.open != "" && strings.HasPrefix(rest, q.open) && l.depth < maxNesting && !l.broken:
			start := l.pos
			l.pos += len(q.open)
			if q.open == "{$" {
				l.pos-- // the $ belongs to the name
			}
			codeFrom := l.pos
			l.depth++
			in := l.run(true)
			l.depth--
			if l.pos >= len(l.src) {
				// Nothing closes it. From here on none is looked for: each search may take as long as this one.
				l.broken = true
				l.pos = start + 1
				b.WriteByte(c)
				continue
			}
			keep = append(keep, [2]int{codeFrom, l.pos})
			l.pos++
			t.inner = append(t.inner, in)
			continue
		case q.simple && c == '$' && len(rest) > 1 && (isWord(rest[1]) && (rest[1] < '0' || rest[1] > '9') || rest[1] == '{'):
			n := 1
			for n < len(rest) && isWord(rest[n]) {
				n++
			}
			name := rest[:n]
			if rest[1] == '{' {
				n = strings.IndexByte(rest[:min(len(rest), 100)], '}') + 1
				if n == 0 {
					b.WriteByte(c)
					l.pos++
					continue
				}
				name = "$" + rest[2:n-1]
			} else if strings.HasPrefix(rest[n:], "[") {
				if i := strings.IndexByte(rest[n:min(len(rest), n+100)], ']'); i > 0 {
					n += i + 1
				}
			}
			t.inner = append(t.inner, []token{{kind: ident, text: name, pos: l.pos, end: l.pos + n}})
			l.pos += n
			continue
		}
		b.WriteByte(c)
		l.pos++
	}
}

func (l *lexer) pythonString() (token, bool) {
	rest := l.src[l.pos:]
	n := 0
	formatted := false
	for n < len(rest) && n < 3 && rest[n] != '"' && rest[n] != '\'' {
		switch rest[n] | 0x20 {
		case 'f', 't':
			formatted = true
		case 'r', 'b', 'u': // even in a raw string a backslash keeps the quote behind it from ending it
		default:
			return token{}, false
		}
		n++
	}
	if n >= len(rest) || rest[n] != '"' && rest[n] != '\'' {
		return token{}, false
	}
	q := rest[n : n+1]
	l.pos += n + 1
	quote := quoted{close: q, escapes: true, oneLine: true, quoteTag: q[0]}
	if strings.HasPrefix(rest[n:], q+q+q) {
		quote.close, quote.oneLine = q+q+q, false
		l.pos += 2
	}
	from := l.pos
	t, ok := l.body(quote)
	if ok && formatted {
		l.pythonFields(&t, from, l.pos-len(quote.close))
	}
	return t, ok
}

// pythonFields takes the replacement fields out of an f-string's content.
func (l *lexer) pythonFields(t *token, from, to int) {
	if l.depth >= maxNesting {
		return
	}
	var b strings.Builder
	s := l.src[from:to]
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c {
			b.WriteByte(c)
			i++
			continue
		}
		if c != '{' {
			b.WriteByte(c)
			continue
		}
		end, expr := fieldEnd(s, i+1)
		if end < 0 {
			b.WriteString(s[i:])
			break
		}
		sub := &lexer{d: l.d, src: l.src[:from+expr], pos: from + i + 1, depth: l.depth + 1, blank: l.blank[:from+expr], comment: l.comment}
		copy(l.blank[from+i+1:from+expr], l.src[from+i+1:from+expr])
		t.inner = append(t.inner, sub.run(false))
		i = end
	}
	t.text = b.String()
}

// fieldEnd finds the end of a replacement field that begins at i, and of the
// expression in it: a top-level ! or : ends that.
func fieldEnd(s string, i int) (end, expr int) {
	depth := 0
	expr = -1
	var quote byte
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case expr < 0 && (c == '"' || c == '\''):
			quote = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == '}' && depth == 0:
			if expr < 0 {
				expr = i
			}
			return i, expr
		case c == ')' || c == ']' || c == '}':
			depth--
		case depth == 0 && expr < 0 && (c == ':' || c == '!' && i+1 < len(s) && s[i+1] != '='):
			expr = i
		}
	}
	return -1, -1
}

func (l *lexer) jsString(before []token) (token, bool) {
	c := l.src[l.pos]
	switch c {
	case '"', '\'':
		if n := len(before); n > 0 && before[n-1].kind == ident && before[n-1].end == l.pos && !regexMayFollow(before) {
			return token{}, false // an apostrophe in JSX: <p>Don't</p>
		}
		l.pos++
		return l.body(quoted{close: string(c), escapes: true, oneLine: true, quoteTag: c})
	case '`':
		l.pos++
		return l.body(quoted{close: "`", escapes: true, open: "${", quoteTag: '`'})
	case '/':
		if regexMayFollow(before) {
			return l.regex()
		}
	}
	return token{}, false
}

// regexMayFollow tells a regular expression from a division by what stands before.
func regexMayFollow(before []token) bool {
	if len(before) == 0 {
		return true
	}
	t := before[len(before)-1]
	switch t.kind {
	case punct:
		return !t.is(")") && !t.is("]") && !t.is("}")
	case ident:
		switch t.text {
		case "return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do", "yield", "await",
			"if", "unless", "and", "or", "not", "when", "while", "until":
			return true
		}
	}
	return false
}

func (l *lexer) regex() (token, bool) {
	q := quoted{close: "/regex"}
	if l.pos < l.open[q.close] {
		return token{}, false
	}
	class := false
	for i := l.pos + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case '\n':
			return l.unclosed(q, i)
		case '[':
			class = true
		case ']':
			class = false
		case '/':
			if class {
				continue
			}
			text := l.src[l.pos+1 : i]
			l.wipe(l.pos+1, i)
			l.pos = i + 1
			for l.pos < len(l.src) && l.src[l.pos] >= 'a' && l.src[l.pos] <= 'z' {
				l.pos++
			}
			return token{kind: str, quote: '/', text: text}, true
		}
	}
	return l.unclosed(q, len(l.src))
}

func (l *lexer) javaString() (token, bool) {
	rest := l.src[l.pos:]
	switch {
	case strings.HasPrefix(rest, `"""`):
		l.pos += 3
		return l.body(quoted{close: `"""`, escapes: true, quoteTag: '"'})
	case rest[0] == '"' || rest[0] == '\'':
		l.pos++
		return l.body(quoted{close: rest[:1], escapes: true, oneLine: true, quoteTag: rest[0]})
	}
	return token{}, false
}

func (l *lexer) phpString() (token, bool) {
	c := l.src[l.pos]
	switch c {
	case '\'':
		l.pos++
		return l.body(quoted{close: "'", escapes: true, quoteTag: c})
	case '"', '`':
		l.pos++
		return l.body(quoted{close: string(c), escapes: true, open: "{$", simple: true, quoteTag: c})
	case '<':
		if h, ok := l.heredocTag(); ok {
			if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
				l.pos += i + 1
				return l.heredocBody(h)
			}
		}
	}
	return token{}, false
}
