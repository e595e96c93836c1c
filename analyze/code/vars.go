package code

import "sort"

// binding is a place where a name gets a value.
type binding struct {
	at   int  // offset from which it holds
	e    expr // empty: a value that comes from elsewhere (a parameter, a loop)
	adds bool // +=: on top of the value before
}

// readBindings notes where u's names get values. They are kept in the order of the file.
func (f *file) readBindings(u *unit) {
	opaque := func(lo, hi int) {
		for i := lo; i < hi && i < lo+maxExpr; i++ {
			if t := u.toks[i]; t.kind == ident && !isAccess(f.d, u.at(i-1)) {
				f.vars[t.text] = append(f.vars[t.text], binding{at: t.end})
			}
		}
	}
	for i, t := range u.toks {
		if t.kind == ident {
			switch {
			case defines[t.text] && t.text != "class":
				for j := i + 1; j < i+4; j++ {
					if u.at(j).is("(") && u.mate[j] > 0 {
						opaque(j+1, u.mate[j])
						break
					}
				}
			case t.text == "for" || t.text == "foreach":
				j := i + 1
				for j < i+12 && u.at(j).text != "in" && u.at(j).text != "of" && u.at(j).kind != str && j < len(u.toks) {
					j++
				}
				if u.at(j).text == "in" || u.at(j).text == "of" {
					opaque(i+1, j)
				}
			case t.text == "as" && u.at(i+1).kind == ident && f.d != jsDialect:
				opaque(i+1, i+2)
			case t.text == "lambda":
				j := i + 1
				for j < i+20 && j < len(u.toks) && !u.at(j).is(":") {
					j++
				}
				opaque(i+1, j)
			}
			continue
		}
		if t.kind != punct {
			continue
		}
		switch t.text {
		case "=>": // an arrow function's parameters
			if u.at(i-1).is(")") && u.mate[i-1] >= 0 {
				opaque(u.mate[i-1], i-1)
			} else if u.at(i-1).kind == ident {
				opaque(i-1, i)
			}
		case "|": // a Ruby block's
			if f.d == rubyDialect && (u.at(i-1).is("{") || u.at(i-1).text == "do") {
				j := i + 1
				for j < i+20 && j < len(u.toks) && !u.at(j).is("|") {
					j++
				}
				opaque(i+1, j)
			}
		case ")": // a method's, in languages without a word for it
			if (f.d == javaDialect || f.d == jsDialect) && (u.at(i+1).is("{") || u.at(i+1).text == "throws") && u.mate[i] > 0 {
				if c := u.at(u.mate[i] - 1); c.kind == ident && !keywords[c.text] {
					opaque(u.mate[i]+1, i)
				}
			}
		case "=", ":=", "+=", ".=", "<<", "||=", "??=":
			f.bindAssignment(u, i)
		}
	}
}

func (f *file) bindAssignment(u *unit, i int) {
	if f.d == pythonDialect && u.depth[i] > 0 && u.toks[i].text != ":=" {
		return // a keyword argument
	}
	name := i - 1
	if u.at(name).kind == ident && u.at(name-1).is(":") && u.at(name-2).kind == ident && !isAccess(f.d, u.at(name-3)) && f.d != rubyDialect {
		name -= 2 // x: type = …
	}
	n := u.at(name)
	if n.kind != ident || isAccess(f.d, u.at(name-1)) {
		return
	}
	adds := u.toks[i].text != "=" && u.toks[i].text != ":="
	if u.toks[i].text == "<<" && (f.d != rubyDialect || u.toks[i].nl || !n.nl) {
		return // a shift, or an append to something that is no variable
	}
	e := expr{u, i + 1, u.exprEnd(f.d, i+1)}
	if e.empty() {
		return
	}
	f.vars[n.text] = append(f.vars[n.text], binding{at: e.end(), e: e, adds: adds})
}

// lookup returns the last binding of name above offset pos.
func (f *file) lookup(name string, pos int) (binding, bool) {
	bs := f.vars[name]
	i := sort.Search(len(bs), func(i int) bool { return bs[i].at > pos })
	if i == 0 {
		return binding{}, false
	}
	return bs[i-1], true
}
