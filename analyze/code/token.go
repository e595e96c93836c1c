package code

import "strings"

type kind uint8

const (
	ident kind = iota // names and keywords; in PHP with their $, in Ruby with @ and $
	number
	str   // a string, a template, a regular expression, a back-quoted command
	punct // operators and brackets
)

// token is a piece of code. Comments and white space are not tokens.
type token struct {
	kind     kind
	pos, end int    // byte offsets in the file
	text     string // as written; for a str, its literal content, interpolations taken out
	nl, sp   bool   // a line break, or any white space, stands before it

	// Of a str only:
	quote byte      // ' " ` or / (regular expression); h for a heredoc
	inner [][]token // the code of each interpolation
}

func (t token) is(text string) bool { return t.kind == punct && t.text == text }

// source is a file ready for matching.
type source struct {
	text    string
	toks    []token
	lines   []int        // offset of each line's beginning
	marked  map[int]bool // lines whose comment asks to leave them alone
	blanked string       // text with comments and literal contents made spaces; same offsets
}

// line returns the number, from 1, of the line that offset pos is on.
func (s *source) line(pos int) int {
	lo, hi := 0, len(s.lines)
	for lo < hi {
		if m := (lo + hi) / 2; s.lines[m] <= pos {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// parse lexes a file.
func parse(d dialect, text string) *source {
	s := &source{text: text, lines: []int{0}, marked: make(map[int]bool)}
	for i := range len(text) {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	l := &lexer{d: d, src: text, blank: []byte(text), comment: func(from, to int) {
		c := text[from:to]
		if strings.Contains(c, "nosec") || strings.Contains(c, "cordon:ignore") {
			s.marked[s.line(from)] = true
		}
	}}
	s.toks = l.run(false)
	s.blanked = string(l.blank)
	return s
}

// walk calls do for toks and for the code of every interpolation in them.
func walk(toks []token, do func([]token)) {
	do(toks)
	for i := range toks {
		for _, in := range toks[i].inner {
			walk(in, do)
		}
	}
}
