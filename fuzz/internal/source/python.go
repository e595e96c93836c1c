package source

import "bytes"

// BarePython returns Python text of the same length in which comments and the
// contents of strings are blanks. Lines stay where they are.
func BarePython(text []byte) []byte {
	b := bytes.Clone(text)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			if b[i] != '\n' {
				b[i] = ' '
			}
		}
	}
	for i := 0; i < len(b); {
		switch b[i] {
		case '#':
			end := len(b)
			if n := bytes.IndexByte(b[i:], '\n'); n >= 0 {
				end = i + n
			}
			blank(i, end)
			i = end
		case '"', '\'':
			end := pythonStringEnd(b, i)
			blank(i, end)
			i = end
		default:
			i++
		}
	}
	return b
}

// pythonStringEnd is after the string that begins with the quote at i. A backslash
// keeps the next quote from ending even a raw string.
func pythonStringEnd(b []byte, i int) int {
	quote := b[i : i+1]
	if triple := bytes.Repeat(quote, 3); bytes.HasPrefix(b[i:], triple) {
		for j := i + 3; j < len(b); j++ {
			switch {
			case b[j] == '\\':
				j++
			case bytes.HasPrefix(b[j:], triple):
				return j + 3
			}
		}
		return len(b)
	}
	return quoteEnd(b, i)
}
