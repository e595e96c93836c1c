package sarif

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// fill returns the message's text: its own, or the one that the rule has under its
// id, with its arguments in their places (§3.11).
func (m message) fill(k rule) string {
	s := orElse(m.Text, m.Markdown)
	if s == "" {
		t := k.MessageStrings[m.ID]
		s = orElse(t.Text, t.Markdown)
	}
	if len(m.Arguments) == 0 {
		return s
	}
	return argumentForm.ReplaceAllStringFunc(s, func(p string) string {
		if i, err := strconv.Atoi(p[1 : len(p)-1]); err == nil && i < len(m.Arguments) {
			return clean(m.Arguments[i], 500)
		}
		return p
	})
}

var argumentForm = regexp.MustCompile(`\{\d{1,3}\}`)

// clean bounds s to n bytes of UTF-8 without control characters but for line ends.
func clean(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	s = strings.ToValidUTF8(s, "")
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return -1
		}
		return c
	}, s))
}

// firstLine is the first line of s, without its full stop, for a title.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSuffix(line, ".")
}

func orElse(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}
