package code

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// minLiteral is the length from which a literal is rare enough to be worth looking for first.
const minLiteral = 3

// filtered is a regular expression that is tried only on text that has one of the
// literals without which it cannot match: looking for those is a hundred times faster.
type filtered struct {
	*regexp.Regexp
	literals []string // lower case; nil: none known
}

func compileFiltered(s string) (*filtered, error) {
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, err
	}
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, err
	}
	return &filtered{re, needed(tree)}, nil
}

// may reports whether a text, given in lower case, can match at all.
func (f *filtered) may(lower string) bool {
	for _, l := range f.literals {
		if strings.Contains(lower, l) {
			return true
		}
	}
	return f.literals == nil
}

// needed returns literals of which every match of re holds at least one, or nil.
func needed(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if len(re.Rune) >= minLiteral {
			return []string{strings.ToLower(string(re.Rune))}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return needed(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return needed(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if n := needed(sub); n != nil && (best == nil || shortest(n) > shortest(best)) {
				best = n
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			n := needed(sub)
			if n == nil {
				return nil
			}
			all = append(all, n...)
		}
		return all
	}
	return nil
}

func shortest(ss []string) int {
	n := len(ss[0])
	for _, s := range ss {
		n = min(n, len(s))
	}
	return n
}
