package source

import "bytes"

// BareRust returns Rust text of the same length in which comments and the contents
// of strings are blanks. Lines stay where they are.
func BareRust(text []byte) []byte {
	b := bytes.Clone(text)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			if b[i] != '\n' {
				b[i] = ' '
			}
		}
	}
	for i := 0; i < len(b); {
		end := i + 1
		switch {
		case bytes.HasPrefix(b[i:], []byte("//")):
			end = len(b)
			if n := bytes.IndexByte(b[i:], '\n'); n >= 0 {
				end = i + n
			}
			blank(i, end)
		case bytes.HasPrefix(b[i:], []byte("/*")):
			end = rustCommentEnd(b, i)
			blank(i, end)
		case b[i] == 'r' && (i == 0 || !wordByte(b[i-1]) || b[i-1] == 'b' || b[i-1] == 'c'):
			if n := rustRawEnd(b, i); n > 0 {
				end = n
				blank(i, end)
			}
		case b[i] == '"':
			end = rustStringEnd(b, i)
			blank(i, end)
		case b[i] == '\'':
			// A character, or a lifetime, which has no closing quote.
			if i+1 < len(b) && b[i+1] == '\\' {
				end = quoteEnd(b, i)
				blank(i, end)
			} else if n := bytes.IndexByte(b[i+1:min(len(b), i+6)], '\''); n > 0 {
				end = i + 1 + n + 1
				blank(i, end)
			}
		}
		i = end
	}
	return b
}

// rustCommentEnd is after the comment that begins at i. They nest.
func rustCommentEnd(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch {
		case bytes.HasPrefix(b[i:], []byte("/*")):
			depth++
			i += 2
		case bytes.HasPrefix(b[i:], []byte("*/")):
			i += 2
			if depth--; depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(b)
}

// rustStringEnd is after the string that begins at i; it may have several lines.
func rustStringEnd(b []byte, i int) int {
	for j := i + 1; j < len(b); j++ {
		switch b[j] {
		case '\\':
			j++
		case '"':
			return j + 1
		}
	}
	return len(b)
}

// rustRawEnd is after the string r"…" or r#"…"# at i, or 0 if there is none.
func rustRawEnd(b []byte, i int) int {
	j := i + 1
	for j < len(b) && b[j] == '#' {
		j++
	}
	if j == len(b) || b[j] != '"' {
		return 0
	}
	closing := append([]byte{'"'}, b[i+1:j]...)
	n := bytes.Index(b[j+1:], closing)
	if n < 0 {
		return len(b)
	}
	return j + 1 + n + len(closing)
}
