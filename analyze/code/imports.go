package code

import (
	"path"
	"strings"
)

// readImports notes the names that import statements bind, and what they stand for.
func (f *file) readImports(u *unit) {
	switch f.d {
	case pythonDialect:
		f.pythonImports(u)
	case jsDialect:
		f.jsImports(u)
	}
}

// dotted reads a.b.c at i.
func dotted(u *unit, i int) (string, int) {
	var b strings.Builder
	for u.at(i).kind == ident || u.at(i).is(".") || u.at(i).is("...") || u.at(i).is("..") {
		if b.Len() > 0 && u.at(i).nl {
			break
		}
		if u.at(i).kind == ident && (u.at(i).text == "import" || u.at(i).text == "as") {
			break
		}
		b.WriteString(u.at(i).text)
		i++
	}
	return b.String(), i
}

func (f *file) pythonImports(u *unit) {
	for i, t := range u.toks {
		if t.kind != ident || i > 0 && !t.nl && !u.at(i-1).is(";") && !u.at(i-1).is(":") {
			continue
		}
		switch t.text {
		case "import":
			for j := i + 1; ; j++ {
				var mod string
				mod, j = dotted(u, j)
				if mod == "" {
					break
				}
				if u.at(j).kind == ident && u.at(j).text == "as" {
					f.imports[u.at(j+1).text] = mod
					j += 2
				}
				if !u.at(j).is(",") {
					break
				}
			}
		case "from":
			mod, j := dotted(u, i+1)
			if mod == "" || u.at(j).text != "import" {
				continue
			}
			j++
			if u.at(j).is("(") {
				j++
			}
			for u.at(j).kind == ident {
				name, bound := u.at(j).text, u.at(j).text
				j++
				if u.at(j).kind == ident && u.at(j).text == "as" {
					bound = u.at(j + 1).text
					j += 2
				}
				f.imports[bound] = mod + "." + name
				if !u.at(j).is(",") {
					break
				}
				j++
			}
		}
	}
}

// moduleName is a module's name as rules spell it.
func moduleName(s string) string { return strings.TrimPrefix(s, "node:") }

func (f *file) jsImports(u *unit) {
	for i, t := range u.toks {
		switch {
		case t.kind == ident && t.text == "import" && !u.at(i+1).is("(") && !u.at(i+1).is("."):
			f.jsImport(u, i+1)
		case t.kind == ident && t.text == "require" && u.at(i+1).is("(") && u.at(i+2).kind == str && u.at(i+3).is(")"):
			mod := moduleName(u.at(i + 2).text)
			if u.at(i+4).is(".") && u.at(i+5).kind == ident && !u.at(i+6).is("(") {
				mod += "." + u.at(i+5).text
			}
			if !u.at(i+4).is(".") || mod != moduleName(u.at(i+2).text) {
				f.bind(u, i-1, mod)
			}
		case t.kind == ident && t.text == "promisify" && u.at(i+1).is("(") && u.mate[i+1] > i+2:
			// const run = util.promisify(child_process.exec): another name for the same thing
			of, _ := f.path(u, u.mate[i+1]-1)
			_, start := f.path(u, i)
			f.bind(u, start-1, of)
		}
	}
}

// bind gives the pattern that ends before the "=" at eq the meaning mod.
func (f *file) bind(u *unit, eq int, mod string) {
	if !u.at(eq).is("=") {
		return
	}
	switch p := u.at(eq - 1); {
	case p.kind == ident:
		f.imports[p.text] = mod
	case p.is("}") && u.mate[eq-1] >= 0:
		f.bindNames(u, u.mate[eq-1]+1, eq-1, mod)
	}
}

// bindNames reads { a, b as c, d: e }.
func (f *file) bindNames(u *unit, lo, hi int, mod string) {
	for i := lo; i < hi; i++ {
		if u.at(i).kind != ident || i > lo && !u.at(i-1).is(",") {
			continue
		}
		name, bound := u.at(i).text, u.at(i).text
		if n := u.at(i + 1); (n.is(":") || n.kind == ident && n.text == "as") && u.at(i+2).kind == ident {
			bound = u.at(i + 2).text
		}
		f.imports[bound] = mod + "." + name
	}
}

// jsImport reads what follows "import".
func (f *file) jsImport(u *unit, i int) {
	if u.at(i).kind == ident && u.at(i).text == "type" && !u.at(i+1).is(",") && u.at(i+1).text != "from" {
		i++
	}
	var def, star string
	lo, hi := -1, -1
	for n := 0; n < 8; n++ {
		switch t := u.at(i); {
		case t.is("{") && u.mate[i] > 0:
			lo, hi = i+1, u.mate[i]
			i = hi + 1
		case t.is("*") && u.at(i+1).text == "as":
			star = u.at(i + 2).text
			i += 3
		case t.is(","):
			i++
		case t.kind == ident && t.text == "from" && u.at(i+1).kind == str:
			mod := moduleName(u.at(i + 1).text)
			for _, name := range []string{def, star} {
				if name != "" {
					f.imports[name] = mod
				}
			}
			f.bindNames(u, lo, hi, mod)
			return
		case t.kind == ident:
			def = t.text
			i++
		default:
			return
		}
	}
}

// isTest reports whether a path looks like that of a test, where dangerous code is
// often the point.
func isTest(p string) bool {
	for dir := range strings.SplitSeq(path.Dir(p), "/") {
		switch strings.ToLower(dir) {
		case "test", "tests", "__tests__", "spec", "specs", "testdata", "fixtures", "testing", "__mocks__", "e2e":
			return true
		}
	}
	base := strings.ToLower(path.Base(p))
	return strings.HasPrefix(base, "test_") || strings.Contains(base, ".test.") || strings.Contains(base, ".spec.") ||
		strings.HasSuffix(strings.TrimSuffix(base, path.Ext(base)), "_test") || strings.HasSuffix(base, "test.java") || strings.HasSuffix(base, "_spec.rb") || base == "conftest.py"
}
