package crash

import (
	"regexp"
	"strings"
)

var (
	// cloned matches what compilers append to a function's name when they copy it.
	cloned = regexp.MustCompile(`(\.(isra|constprop|part|cold|llvm|lto_priv|localalias)(\.\d+)*|\.\d+)+$`)
	// hashed matches the hash that Rust's older mangling appends, and the one that the
	// newer one has behind a crate's name.
	hashed = regexp.MustCompile(`::h[0-9a-f]{16}$|\[[0-9a-f]{8,16}\]`)
	// closure matches what names a closure in Rust, by its number.
	closure = regexp.MustCompile(`\{+closure(#\d+)?\}+|\{closure_env#\d+\}`)
	// lambda matches what names a lambda in C++, by its number.
	lambda = regexp.MustCompile(`\$_\d+|'lambda\d*'|\{lambda\([^)]*\)#\d+\}`)
	// returned matches what a demangled template function's name begins with: the type
	// that it returns.
	returned = regexp.MustCompile(`^[A-Za-z_][\w:*& ]* ([A-Za-z_~$][\w:$~{}]*(operator.*)?)$`)
)

// named makes a demangled name of C, C++ or Rust one that survives another compiler,
// another instance of a template and another order of closures.
func named(raw string) string {
	s := strings.TrimSpace(raw)
	if strings.HasPrefix(s, "<") { // Rust: <T>::f, <T as Trait>::f
		s = qualified(s, maxQualified)
	}
	s = hashed.ReplaceAllString(s, "")
	s = strings.ReplaceAll(s, "(anonymous namespace)::", "")
	s = closure.ReplaceAllString(s, "{closure}")
	s = lambda.ReplaceAllString(s, "{lambda}")
	s = unbracketed(s)
	s = strings.TrimSuffix(strings.TrimSpace(s), " const")
	s = cloned.ReplaceAllString(s, "")
	for strings.Contains(s, "::::") {
		s = strings.ReplaceAll(s, "::::", "::")
	}
	s = strings.TrimSuffix(s, "::")
	if m := returned.FindStringSubmatch(s); m != nil && !strings.HasPrefix(s, "operator") && !strings.Contains(m[0], "operator ") {
		s = m[1]
	}
	return strings.TrimSpace(s)
}

// maxQualified is how deep types in angle brackets are followed: each level costs the
// length of the name, and real ones have two or three.
const maxQualified = 8

// qualified takes the type out of the angle brackets that a Rust path begins with.
// A primitive type's method of a trait is the trait's: core, if it is one of core.
func qualified(s string, levels int) string {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '<':
			depth++
		case '>':
			if i > 0 && s[i-1] == '-' {
				continue // of "->"
			}
			depth--
		}
		if depth > 0 {
			continue
		}
		inner, rest := s[1:i], s[i+1:]
		typ, trait, _ := cutTop(inner, " as ")
		typ = strings.TrimLeft(typ, "&*")
		for _, word := range []string{"mut ", "const ", "dyn "} {
			typ = strings.TrimPrefix(typ, word)
		}
		if strings.HasPrefix(typ, "<") {
			if levels == 0 {
				return s
			}
			typ = qualified(typ, levels-1)
		}
		if !strings.Contains(typ, "::") || typ[0] == '[' || typ[0] == '(' {
			if trait == "" {
				trait = "core::primitive"
			}
			typ = trait
		}
		return typ + rest
	}
	return s
}

// cutTop is strings.Cut where no angle bracket is open.
func cutTop(s, sep string) (before, after string, found bool) {
	depth := 0
	for i := range len(s) {
		switch {
		case s[i] == '<':
			depth++
		case s[i] == '>' && (i == 0 || s[i-1] != '-'):
			depth--
		case depth == 0 && strings.HasPrefix(s[i:], sep):
			return s[:i], s[i+len(sep):], true
		}
	}
	return s, "", false
}

// unbracketed drops what stands in round and angle brackets, but for the operators
// whose names these are.
func unbracketed(s string) string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		if depth == 0 && strings.HasPrefix(s[i:], "operator") {
			n := len("operator")
			for _, op := range []string{"()", "<<=", ">>=", "<=>", "<<", ">>", "<=", ">=", "->*", "->", "<", ">"} {
				if strings.HasPrefix(s[i+n:], op) {
					n += len(op)
					break
				}
			}
			b.WriteString(s[i : i+n])
			i += n - 1
			continue
		}
		switch c := s[i]; {
		case c == '(' || c == '<':
			depth++
		case c == '>' && i > 0 && s[i-1] == '-':
			if depth == 0 {
				b.WriteByte(c)
			}
		case c == ')' || c == '>':
			depth = max(0, depth-1)
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}
