package code

import "strings"

// value is what is known of an expression without running it.
type value struct {
	varies  bool // it depends on something that is no constant
	text    bool // there is a string literal in it
	joined  bool // it is put together: +, %, format, an interpolation
	tainted bool // it comes from a user, by the language's list of sources
	lit     string
}

// built reports whether it is a string made of literal text and something that varies.
func (v value) built() bool { return v.varies && v.text && v.joined }

func (v *value) add(o value) {
	v.varies = v.varies || o.varies
	v.text = v.text || o.text
	v.joined = v.joined || o.joined
	v.tainted = v.tainted || o.tainted
	v.addText(o.lit)
}

// maxLiteral bounds the literal text of one value, in bytes: what tells it stands at its beginning.
const maxLiteral = 4096

func (v *value) addText(s string) {
	if room := maxLiteral - len(v.lit); room > 0 {
		v.lit += s[:min(room, len(s))]
	}
}

// fuel bounds the tokens looked at for one expression, through all the variables that it
// leads to. What is not known when it is used up varies.
const fuel = 3000

// fuelPerToken bounds the looks at a file's tokens, all expressions together: so the time for a file
// grows with its size, whatever is in it. Ordinary code needs a tenth.
const fuelPerToken = 20

// maxChainText is how much of a chain's text is compared with the sources: what they name stands at its beginning.
const maxChainText = 160

// eval tells what is known of e.
func (f *file) eval(e expr) value {
	n := min(fuel, f.fuel)
	before := n
	v := f.evalWith(e, &n)
	f.fuel -= before - max(n, 0)
	return v
}

func (f *file) evalWith(e expr, fuel *int) (v value) {
	if e.empty() {
		return v
	}
	u := e.u
	for i := e.lo; i < e.hi; i++ {
		if *fuel--; *fuel < 0 {
			v.varies = true
			return v
		}
		t := u.toks[i]
		switch t.kind {
		case str:
			if t.quote == '/' {
				continue
			}
			v.text = true
			v.addText(t.text)
			if t.quote == '`' && (f.d == rubyDialect || f.d == phpDialect) {
				v.varies = true
			}
			for _, in := range t.inner {
				w := f.evalWith(expr{newUnit(in), 0, len(in)}, fuel)
				v.tainted = v.tainted || w.tainted
				if w.varies {
					v.varies, v.joined = true, true
				} else {
					v.addText(w.lit)
				}
			}
		case punct:
			switch t.text {
			case "(", "[", "{":
				if m := u.mate[i]; m > i {
					v.add(f.evalWith(expr{u, i + 1, min(m, e.hi)}, fuel))
					i = m
				}
			case "+", "<<":
				v.joined = true
			case "%":
				v.joined = v.joined || v.text
			case ".":
				v.joined = v.joined || f.d == phpDialect
			}
		case ident:
			i = f.evalName(&v, u, i, e.hi, fuel) - 1
		}
	}
	return v
}

// constants are names of values; operators, words between values.
var constants = map[string]bool{
	"True": true, "False": true, "None": true, "true": true, "false": true, "null": true, "nil": true, "undefined": true, "NULL": true,
	"TRUE": true, "FALSE": true, "NaN": true, "Infinity": true, "__name__": true, "__file__": true, "__dirname": true, "__filename": true, "__DIR__": true,
	"and": true, "or": true, "not": true, "in": true, "is": true, "if": true, "else": true, "new": true, "await": true, "typeof": true, "instanceof": true, "void": true,
	"as": true, "const": true, "final": true, "return": true, "echo": true,
}

// formatters are calls whose result is their text with their arguments put in.
var formatters = map[string]bool{"format": true, "sprintf": true, "vsprintf": true, "concat": true, "formatted": true, "format_map": true}

// passing are calls whose result is as constant, and as hostile, as what goes in.
var passing = map[string]bool{
	"str": true, "bytes": true, "String": true, "strip": true, "rstrip": true, "lstrip": true, "lower": true, "upper": true, "encode": true, "decode": true,
	"trim": true, "toString": true, "toLowerCase": true, "toUpperCase": true, "to_s": true, "strval": true, "chomp": true, "downcase": true, "upcase": true,
	"dedent": true, "textwrap": true, "expanduser": true, "valueOf": true,
}

// evalName adds what begins with the name at i to v: a variable, an attribute, a call, in any chain.
// It returns the index after it.
func (f *file) evalName(v *value, u *unit, i, hi int, fuel *int) int {
	first := i
	name := u.toks[i].text
	method := isAccess(f.d, u.at(i-1)) // of what stands before: "…".format
	simple := true
	var callLo, callHi int
	last := name
	i++
chain:
	for i < hi {
		if *fuel--; *fuel < 0 {
			v.varies = true
			return hi
		}
		t := u.toks[i]
		switch {
		case isAccess(f.d, t) && u.at(i+1).kind == ident && i+1 < hi:
			last, simple, callHi = u.toks[i+1].text, false, 0
			i += 2
			if f.lang.safe["*."+last] {
				return f.chainEnd(u, i, hi)
			}
		case (t.is("(") || t.is("[")) && u.mate[i] > i && !(t.nl && f.d == pythonDialect):
			if constants[name] {
				break chain // `in [..]`, `not (..)`
			}
			if t.is("(") {
				callLo, callHi = i+1, u.mate[i]
				if p, _ := f.path(u, i-1); f.lang.safe[p] || f.lang.safe["*."+last] {
					return f.chainEnd(u, u.mate[i]+1, hi)
				}
			}
			simple = false
			i = u.mate[i] + 1
		default:
			break chain
		}
	}
	i = min(i, hi)
	if constants[name] && simple {
		return i
	}
	from := u.toks[first].pos
	to := min(u.toks[i-1].end, from+maxChainText)
	if f.lang.sources != nil && f.lang.sources.may(f.lower[from:to]) && f.lang.sources.MatchString(f.src.text[from:to]) {
		v.tainted, v.varies = true, true
		return i
	}
	switch {
	case callHi > 0 && formatters[last]:
		v.add(f.evalWith(expr{u, callLo, min(callHi, hi)}, fuel))
		v.joined = true
		if !method && !simple && u.toks[first].kind == ident && last != name {
			if b, ok := f.lookup(name, u.toks[first].pos); ok {
				v.add(f.evalBinding(b, name, fuel)) // template.format(x)
			}
		}
	case callHi > 0 && passing[last] && last == name && !method:
		v.add(f.evalWith(expr{u, callLo, min(callHi, hi)}, fuel))
	case callHi > 0 && passing[last] && !method && u.toks[first+1].text != "(":
		if b, ok := f.lookup(name, u.toks[first].pos); ok {
			v.add(f.evalBinding(b, name, fuel))
		} else if !isConstantName(name) {
			v.varies = true
		}
	case callHi > 0 && passing[last] && method && first > 1 && u.at(first-2).kind == str:
		// "…".strip(): what stands before counts
	case simple && !method:
		if f.isLabel(u, first) {
			return i
		}
		if b, ok := f.lookup(name, u.toks[first].pos); ok {
			v.add(f.evalBinding(b, name, fuel))
		} else if !isConstantName(name) {
			v.varies = true
		}
	case callHi == 0 && isConstantName(last):
	default:
		v.varies = true
		// A string that a method made of a variable is as tainted as that.
		if b, ok := f.lookup(name, u.toks[first].pos); ok && !method {
			v.tainted = v.tainted || f.evalBinding(b, name, fuel).tainted
		}
		if callHi > 0 && callLo < callHi {
			v.tainted = v.tainted || f.evalWith(expr{u, callLo, min(callHi, hi)}, fuel).tainted
		}
	}
	return i
}

// chainEnd passes over the rest of a chain.
func (f *file) chainEnd(u *unit, i, hi int) int {
	for i < hi {
		switch t := u.toks[i]; {
		case isAccess(f.d, t) && u.at(i+1).kind == ident:
			i += 2
		case (t.is("(") || t.is("[")) && u.mate[i] > i && !t.nl:
			i = u.mate[i] + 1
		default:
			return min(i, hi)
		}
	}
	return hi
}

func (f *file) evalBinding(b binding, name string, fuel *int) value {
	if *fuel -= 10; *fuel < 0 || b.e.empty() {
		return value{varies: true}
	}
	var v value
	if b.adds {
		v.joined = true
		if before, ok := f.lookup(name, b.e.pos()-1); ok {
			v.add(f.evalBinding(before, name, fuel))
		} else {
			v.varies = true
		}
	}
	v.add(f.evalWith(b.e, fuel))
	return v
}

// isLabel reports whether the name at i is a key or a symbol: {key: …}, :symbol.
func (f *file) isLabel(u *unit, i int) bool {
	next := u.at(i + 1)
	if f.d == rubyDialect {
		return u.at(i-1).is(":") && !u.toks[i].sp || next.is(":") && !next.sp
	}
	return f.d == jsDialect && next.is(":") && (u.at(i-1).is("{") || u.at(i-1).is(","))
}

// isConstantName reports whether name is written as constants are: MAX_SIZE. A PHP superglobal is
// not one, and in Ruby only capitals count, for classes are constants there.
func isConstantName(name string) bool {
	return len(name) > 1 && name[0] != '$' && name[0] != '@' && strings.ToUpper(name) == name && strings.ContainsFunc(name, func(r rune) bool { return r >= 'A' && r <= 'Z' })
}
