// Package parser has a bug.
package parser

// Header reads a length, and believes it.
func Header(b []byte) int {
	if len(b) < 4 || b[0] != 'H' || b[1] != 'D' {
		return 0
	}
	return int(body(b[4:], int(b[2])))
}

func body(b []byte, n int) byte {
	if n < 100 {
		return 0
	}
	return b[n]
}
