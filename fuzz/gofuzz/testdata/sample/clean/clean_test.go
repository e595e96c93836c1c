package clean

import "testing"

func FuzzClean(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) { classes(b) })
}

// classes has a branch for each class of bytes.
func classes(b []byte) (letters, digits, spaces, others int) {
	for _, c := range b {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letters++
		case c >= '0' && c <= '9':
			digits++
		case c == ' ', c == '\t', c == '\n':
			spaces++
		default:
			others++
		}
	}
	if letters > 3 && digits > 3 {
		spaces += letters
	}
	return letters, digits, spaces, others
}
