package source

import (
	"bytes"
	"regexp"
)

// Bare returns C or C++ text of the same length in which comments, the contents of
// strings and what stands between #if 0 and its #endif are blanks. Lines stay where
// they are.
func Bare(text []byte) []byte {
	b := bytes.Clone(text)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			if b[i] != '\n' {
				b[i] = ' '
			}
		}
	}
	for i := 0; i < len(b); {
		switch {
		case bytes.HasPrefix(b[i:], []byte("//")):
			end := lineEnd(b, i)
			blank(i, end)
			i = end
		case bytes.HasPrefix(b[i:], []byte("/*")):
			end := len(b)
			if n := bytes.Index(b[i+2:], []byte("*/")); n >= 0 {
				end = i + 2 + n + 2
			}
			blank(i, end)
			i = end
		case bytes.HasPrefix(b[i:], []byte(`R"`)) && (i == 0 || !wordByte(b[i-1])):
			end := rawEnd(b, i)
			blank(i, end)
			i = end
		case b[i] == '"', b[i] == '\'' && (i == 0 || !wordByte(b[i-1])): // 1'000 is a number
			end := quoteEnd(b, i)
			blank(i+1, max(i+1, end-1))
			i = end
		default:
			i++
		}
	}
	off(b, blank)
	return b
}

// lineEnd is the end of the line that i is in; a backslash before it joins the next.
func lineEnd(b []byte, i int) int {
	for i < len(b) {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return len(b)
		}
		i += n
		if i == 0 || b[i-1] != '\\' {
			return i
		}
		i++
	}
	return len(b)
}

// quoteEnd is after the quote that closes the one at i, or the end of its line.
func quoteEnd(b []byte, i int) int {
	for j := i + 1; j < len(b); j++ {
		switch b[j] {
		case '\\':
			j++
		case '\n':
			return j
		case b[i]:
			return j + 1
		}
	}
	return len(b)
}

// rawEnd is after the raw string R"x( … )x" at i.
func rawEnd(b []byte, i int) int {
	open := bytes.IndexByte(b[i:], '(')
	if open < 0 || open > 2+16 {
		return i + 2
	}
	closing := append(append([]byte(")"), b[i+2:i+open]...), '"')
	n := bytes.Index(b[i+open:], closing)
	if n < 0 {
		return len(b)
	}
	return i + open + n + len(closing)
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

var directive = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*(if|ifdef|ifndef|else|elif|elifdef|elifndef|endif)\b[ \t]*([^\n]*)$`)

// off blanks what #if 0 leaves out.
func off(b []byte, blank func(from, to int)) {
	depth, from := 0, -1
	for _, m := range directive.FindAllSubmatchIndex(b, -1) {
		word, rest := string(b[m[2]:m[3]]), string(bytes.TrimSpace(b[m[4]:m[5]]))
		switch {
		case from < 0:
			if word == "if" && rest == "0" {
				from, depth = m[1], 0
			}
		case word == "if" || word == "ifdef" || word == "ifndef":
			depth++
		case depth > 0:
			if word == "endif" {
				depth--
			}
		default: // its own #else or #endif
			blank(from, m[0])
			from = -1
		}
	}
	if from >= 0 {
		blank(from, len(b))
	}
}

// Defines returns where in bare C or C++ text the function is defined, or -1: a
// declaration or a call is no definition.
func Defines(bare []byte, function string) int {
	for from := 0; ; {
		n := bytes.Index(bare[from:], []byte(function))
		if n < 0 {
			return -1
		}
		at := from + n
		from = at + len(function)
		if at > 0 && wordByte(bare[at-1]) || from < len(bare) && wordByte(bare[from]) {
			continue
		}
		rest := bytes.TrimLeft(bare[from:], " \t\r\n")
		if len(rest) == 0 || rest[0] != '(' {
			continue
		}
		// noexcept, override and attribute macros may stand before the body.
		rest = bytes.TrimLeft(rest[closing(rest):], " \t\r\nabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
		if len(rest) > 0 && rest[0] == '{' {
			return at
		}
	}
}

// closing is after the parenthesis that closes the one b begins with, or len(b).
func closing(b []byte) int {
	depth := 0
	for i, c := range b {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}
