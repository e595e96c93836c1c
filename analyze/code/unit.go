package code

import "strings"

// unit is a run of tokens with its brackets matched: a file, or the code of one interpolation.
type unit struct {
	toks  []token
	mate  []int // index of the matching bracket, or -1
	depth []int // how many round and square brackets are open before the token
}

// expr is a range of a unit's tokens, hi exclusive.
type expr struct {
	u      *unit
	lo, hi int
}

func (e expr) empty() bool { return e.u == nil || e.lo >= e.hi }
func (e expr) pos() int    { return e.u.toks[e.lo].pos }
func (e expr) end() int    { return e.u.toks[e.hi-1].end }

func newUnit(toks []token) *unit {
	u := &unit{toks: toks, mate: make([]int, len(toks)), depth: make([]int, len(toks))}
	var open []int
	depth := 0
	for i, t := range toks {
		u.mate[i] = -1
		if t.kind != punct {
			u.depth[i] = depth
			continue
		}
		switch t.text {
		case ")", "]", "}":
			if n := len(open); n > 0 && closes(toks[open[n-1]].text, t.text) {
				u.mate[i], u.mate[open[n-1]] = open[n-1], i
				open = open[:n-1]
				if t.text != "}" {
					depth--
				}
			}
		}
		u.depth[i] = depth
		switch t.text {
		case "(", "[":
			open = append(open, i)
			depth++
		case "{":
			open = append(open, i)
		}
	}
	return u
}

func closes(open, shut string) bool {
	return open == "(" && shut == ")" || open == "[" && shut == "]" || open == "{" && shut == "}"
}

// at returns token i, or a token that is nothing.
func (u *unit) at(i int) token {
	if i < 0 || i >= len(u.toks) {
		return token{kind: punct}
	}
	return u.toks[i]
}

// maxExpr bounds an expression, in tokens at one level. Longer ones are data.
const maxExpr = 2000

// exprEnd returns the end of the expression that begins at lo: where a comma, a semicolon, a closing
// bracket, or a line break that ends a statement of language d stands.
func (u *unit) exprEnd(d dialect, lo int) int {
	for i, n := lo, 0; i < len(u.toks); i, n = i+1, n+1 {
		t := u.toks[i]
		if n > maxExpr {
			return i
		}
		if i > lo && t.nl && u.breaks(d, i) {
			return i
		}
		if t.kind == ident && d == rubyDialect && i > lo {
			switch t.text {
			case "if", "unless", "do", "rescue", "then", "end", "while", "until":
				return i
			}
		}
		if t.kind != punct {
			continue
		}
		switch t.text {
		case ",", ";", ")", "]", "}":
			return i
		case "(", "[", "{":
			if u.mate[i] < 0 {
				return i
			}
			i = u.mate[i]
		}
	}
	return len(u.toks)
}

// breaks reports whether the line break before token i ends a statement.
func (u *unit) breaks(d dialect, i int) bool {
	t, prev := u.toks[i], u.at(i-1)
	switch d {
	case pythonDialect:
		return u.depth[i] == 0
	case jsDialect, rubyDialect:
		continues := func(t token) bool {
			return t.kind == punct && !closesAny(t.text) && t.text != "++" && t.text != "--" && t.text != "!" && t.text != "{" && t.text != "[" && t.text != "@" && t.text != "~"
		}
		if t.is("(") || t.is(":") && d == rubyDialect || t.is("->") {
			return !continues(prev)
		}
		return !continues(prev) && !continues(t)
	}
	return false
}

func closesAny(s string) bool { return s == ")" || s == "]" || s == "}" }

// arg is an argument of a call; name is that of a keyword argument.
type arg struct {
	name string
	expr
	spread bool // *args, ...args: any number of arguments
}

// maxArgs bounds the arguments that are looked at.
const maxArgs = 64

// args splits the range lo..hi at its commas.
func (u *unit) args(d dialect, lo, hi int) (out []arg) {
	for lo < hi && len(out) < maxArgs {
		end := lo
		for end < hi && !u.toks[end].is(",") {
			if m := u.mate[end]; m > end {
				end = m
			}
			end++
		}
		end = min(end, hi)
		if lo < end {
			a := arg{expr: expr{u, lo, end}}
			first, second := u.at(lo), u.at(lo+1)
			switch {
			case first.kind == ident && second.is("=") && d == pythonDialect,
				first.kind == ident && second.is(":") && (d == rubyDialect || d == phpDialect) && lo+2 < end:
				a.name, a.lo = first.text, lo+2
			case first.is("*") || first.is("**") || first.is("..."):
				a.spread = true
			}
			if a.lo < a.hi {
				out = append(out, a)
			}
		}
		lo = end + 1
	}
	return out
}

// call is a call with its arguments not yet split.
type call struct {
	path   string // "subprocess.run", "new Function", "().execute"; after imports
	u      *unit
	start  int // token at which the callee begins
	lo, hi int // tokens between the brackets
	end    int // token after the call
}

// maxChain bounds the components of a callee; longer chains lose their beginning.
const maxChain = 8

// path reads the dotted name that ends at token i backwards. The index is that of its first token.
func (f *file) path(u *unit, i int) (string, int) {
	parts := []string{strings.TrimLeft(u.toks[i].text, `\`)}
	whole := false
	for len(parts) <= maxChain {
		if !isAccess(f.d, u.at(i-1)) {
			whole = true
			break
		}
		p := u.at(i - 2)
		switch {
		case p.kind == ident:
			parts = append(parts, strings.TrimLeft(p.text, `\`))
			i -= 2
			continue
		case p.kind == str:
			parts = append(parts, "''")
		case p.is(")") || p.is("]"):
			m := u.mate[i-2]
			callee := u.at(m - 1)
			if m > 0 && callee.kind == ident && callee.text == "require" && p.is(")") && m+2 == i-2 && u.toks[m+1].kind == str {
				parts = append(parts, moduleName(u.toks[m+1].text))
				return join(parts), m - 1
			}
			if m > 0 && callee.kind == ident && !keywords[callee.text] {
				parts = append(parts, callee.text+map[bool]string{true: "()", false: "[]"}[p.is(")")])
				i = m - 1
				continue
			}
			parts = append(parts, "()")
		default:
			parts = append(parts, "")
		}
		break
	}
	if whole {
		root := &parts[len(parts)-1]
		if f.d == jsDialect && len(parts) > 1 && (*root == "window" || *root == "globalThis" || *root == "global") {
			parts = parts[:len(parts)-1]
			root = &parts[len(parts)-1]
		}
		if q, ok := f.imports[*root]; ok {
			*root = q
		}
		if u.at(i-1).kind == ident && u.at(i-1).text == "new" {
			*root = "new " + *root
			i--
		}
	}
	return join(parts), i
}

func join(reversed []string) string {
	var b strings.Builder
	for i := len(reversed) - 1; i >= 0; i-- {
		b.WriteString(reversed[i])
		if i > 0 {
			b.WriteByte('.')
		}
	}
	return b.String()
}

func isAccess(d dialect, t token) bool {
	if t.kind != punct {
		return false
	}
	switch t.text {
	case ".":
		return d != phpDialect
	case "?.", "&.", "->", "?->", "::":
		return true
	}
	return false
}

// keywords are names before a bracket that call nothing.
var keywords = map[string]bool{
	"if": true, "elif": true, "else": true, "for": true, "while": true, "switch": true, "catch": true, "return": true, "and": true, "or": true,
	"not": true, "in": true, "is": true, "lambda": true, "with": true, "yield": true, "await": true, "typeof": true, "delete": true, "assert": true,
	"case": true, "when": true, "unless": true, "until": true, "foreach": true, "elseif": true, "elsif": true, "synchronized": true, "try": true,
	"new": true, "throw": true, "raise": true, "function": true, "void": true, "instanceof": true, "do": true, "then": true, "end": true, "begin": true, "rescue": true,
	"def": true, "class": true, "func": true, "fn": true, "module": true, "interface": true, "of": true, "from": true, "import": true, "as": true, "except": true,
	"const": true, "let": true, "var": true, "global": true, "nonlocal": true, "extends": true, "super": true, "ensure": true, "finally": true,
}

// defines are the words before a name that is defined rather than called.
var defines = map[string]bool{"def": true, "function": true, "class": true, "func": true, "fn": true, "interface": true, "trait": true}

// calls calls do for every call in u whose last name interesting knows.
func (f *file) calls(u *unit, interesting func(string) bool, do func(call)) {
	for i, t := range u.toks {
		if t.kind != ident || keywords[t.text] && !isAccess(f.d, u.at(i-1)) && t.text != "import" || !interesting(strings.TrimLeft(t.text, `\`)) || defines[u.at(i-1).text] && u.at(i-1).kind == ident {
			continue
		}
		next := i + 1
		if u.at(next).is("?.") && u.at(next+1).is("(") {
			next++
		}
		c := call{u: u}
		switch n := u.at(next); {
		case n.is("(") && u.mate[next] > 0 && !(n.nl && f.d != javaDialect):
			c.lo, c.hi, c.end = next+1, u.mate[next], u.mate[next]+1
			if after := u.at(c.end); after.is("{") && (f.d == jsDialect || f.d == javaDialect || f.d == phpDialect) && !isNew(u, i) {
				continue // a method's definition
			}
			if f.d == phpDialect && phpStatement[t.text] && !u.at(c.end).is(";") {
				c.lo, c.hi = next, u.exprEnd(f.d, next) // `echo ("a") . $b`
				c.end = c.hi
			}
		case f.d == rubyDialect && commandArgument(n), f.d == phpDialect && phpStatement[t.text]:
			c.lo, c.hi = next, f.commandEnd(u, next)
			c.end = c.hi
		default:
			continue
		}
		c.path, c.start = f.path(u, i)
		do(c)
	}
}

func isNew(u *unit, i int) bool { return u.at(i-1).kind == ident && u.at(i-1).text == "new" }

// phpStatement are PHP's words that take an operand without brackets.
var phpStatement = map[string]bool{"echo": true, "print": true, "include": true, "include_once": true, "require": true, "require_once": true}

// commandArgument reports whether t begins the argument of a Ruby call without brackets.
func commandArgument(t token) bool {
	if t.nl || !t.sp {
		return false
	}
	return t.kind == str || t.kind == number || t.kind == ident && !keywords[t.text]
}

// commandEnd returns the end of the arguments that begin at lo.
func (f *file) commandEnd(u *unit, lo int) int {
	i := u.exprEnd(f.d, lo)
	for n := 1; n < maxArgs && u.at(i).is(","); n++ {
		i = u.exprEnd(f.d, i+1)
	}
	return i
}
