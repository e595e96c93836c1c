package people

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plain returns s with everything made visible that could act on a terminal or
// deceive its reader: control characters, invalid bytes, and the invisible
// characters that turn the direction of text around.
func Plain(s string) string {
	if !strings.ContainsFunc(s, deceptive) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, n := 0, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteByte(' ')
		case deceptive(r) && r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case deceptive(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func deceptive(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}
