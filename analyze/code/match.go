package code

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
)

// file is one file while it is matched.
type file struct {
	d       dialect
	lang    *language
	src     *source
	imports map[string]string
	vars    map[string][]binding
	hits    []hit
	defined map[string]bool // functions that the file defines under a built-in's name
	lower   string          // the text, ASCII letters in lower case
	fuel    int             // how many more tokens may be looked at, see eval
	reading int             // how many more bytes conditions may look at, see sourceOf
	when    map[*Rule]bool  // which rules look at this file at all, as far as known
}

// hit is a place that matches.
type hit struct {
	rule     *Rule
	severity finding.Severity
	from, to int // byte offsets
	key      string
}

var dialects = map[analyze.Language]dialect{
	analyze.Python: pythonDialect, analyze.JavaScript: jsDialect, analyze.TypeScript: jsDialect,
	analyze.Java: javaDialect, analyze.PHP: phpDialect, analyze.Ruby: rubyDialect,
}

// scan returns the places in text that match rules, in order, and how many more a
// comment on their line asks to leave alone. At most one hit is kept per line and weakness, the worst.
func scan(l analyze.Language, text string) (hits []hit, src *source, suppressed int) {
	lang, ok := languages()[l]
	if !ok {
		return nil, nil, 0
	}
	return scanWith(lang, dialects[l], text)
}

func scanWith(lang *language, d dialect, text string) ([]hit, *source, int) {
	f := &file{d: d, lang: lang, src: parse(d, text), imports: make(map[string]string), vars: make(map[string][]binding), defined: make(map[string]bool), when: make(map[*Rule]bool), lower: lowerASCII(text)}
	var units []*unit
	walk(f.src.toks, func(toks []token) { units = append(units, newUnit(toks)) })
	f.readImports(units[0])
	for _, u := range units {
		f.readBindings(u)
		for i, t := range u.toks {
			if t.kind == ident && defines[t.text] && !isAccess(d, u.at(i-1)) && u.at(i+1).kind == ident {
				f.defined[u.at(i+1).text] = true
			}
		}
	}
	for _, bs := range f.vars {
		slices.SortStableFunc(bs, func(a, b binding) int { return cmp.Compare(a.at, b.at) })
	}
	f.fuel = fuel
	f.reading = maxCondText + readingPerByte*len(text)
	for _, u := range units {
		f.fuel += fuelPerToken * len(u.toks)
	}
	for _, u := range units {
		f.calls(u, f.interesting, f.matchCall)
		f.assignments(u)
		f.stringForms(u)
	}
	f.codeForms()
	return f.settle()
}

// lowerASCII keeps offsets, which strings.ToLower does not.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// interesting reports whether a function of this name may be one that a rule looks for, perhaps under
// the name that an import gave it.
func (f *file) interesting(name string) bool {
	if f.lang.byCall[name] != nil {
		return true
	}
	q, ok := f.imports[name]
	return ok && f.lang.byCall[q[strings.LastIndexByte(q, '.')+1:]] != nil
}

// settle sorts the hits and drops what says the same twice.
func (f *file) settle() (out []hit, src *source, suppressed int) {
	slices.SortStableFunc(f.hits, func(a, b hit) int { return cmp.Compare(a.from, b.from) })
	type place struct {
		line     int
		weakness string
	}
	at := make(map[place]int)
	for _, h := range f.hits {
		line := f.src.line(h.from)
		if f.src.marked[line] || f.src.marked[f.src.line(max(h.from, h.to-1))] {
			suppressed++
			continue
		}
		p := place{line, h.rule.Category}
		if i, ok := at[p]; ok {
			if !out[i].severity.AtLeast(h.severity) {
				out[i] = h
			}
			continue
		}
		at[p] = len(out)
		out = append(out, h)
	}
	return out, f.src, suppressed
}

func (f *file) hit(fm *form, u *unit, lo, hi int) {
	f.hits = append(f.hits, hit{fm.rule, fm.severity, u.toks[lo].pos, u.toks[hi-1].end, keyOf(u.toks[lo:hi])})
}

// maxKeyTokens bounds what a fingerprint is made of.
const maxKeyTokens = 200

// keyOf renders code for the fingerprint: spaces made alike, literals left out, so
// that neither formatting nor a secret in a string is in it.
func keyOf(toks []token) string {
	var b strings.Builder
	for i, t := range toks {
		if i == maxKeyTokens {
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		if t.kind == str {
			b.WriteString(`""`)
			continue
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// applies reports whether the file as a whole is one that the form looks at.
func (f *file) applies(fm *form) bool {
	if fm.when == nil && fm.unless == nil {
		return true
	}
	ok, known := f.when[fm.rule]
	if !known {
		ok = (fm.when == nil || fm.when.may(f.lower) && fm.when.MatchString(f.src.text)) &&
			(fm.unless == nil || !fm.unless.may(f.lower) || !fm.unless.MatchString(f.src.text))
		f.when[fm.rule] = ok
	}
	return ok
}

// named reports whether path is one of names.
func (f *file) named(names []string, path string) bool {
	for _, n := range names {
		if rest, ok := strings.CutPrefix(n, "*"); ok {
			if strings.HasSuffix(path, rest) && len(path) > len(rest) {
				return true
			}
			continue
		}
		if path == n {
			return !f.defined[n]
		}
		// A class may be written with its package before it.
		if f.d == javaDialect || f.d == phpDialect {
			bare, isNew := strings.CutPrefix(n, "new ")
			p, pathNew := strings.CutPrefix(path, "new ")
			if isNew == pathNew && (strings.HasSuffix(p, "."+bare) && strings.Contains(bare, ".") || isNew && (strings.HasSuffix(p, "."+bare) || strings.HasSuffix(p, `\`+bare))) {
				return true
			}
		}
	}
	return false
}

func (f *file) matchCall(c call) {
	last := c.path[strings.LastIndexByte(c.path, '.')+1:]
	var args []arg
	split := false
	for _, fm := range f.lang.byCall[strings.TrimPrefix(last, "new ")] {
		if !f.named(fm.names, c.path) || !f.applies(fm) {
			continue
		}
		if !split {
			args, split = c.u.args(f.d, c.lo, c.hi), true
		}
		if f.all(fm, args) {
			f.hit(fm, c.u, c.start, max(c.end, c.start+1))
		}
	}
}

func (f *file) all(fm *form, args []arg) bool {
	for _, c := range fm.conds {
		if !f.holds(c, args) {
			return false
		}
	}
	return true
}

// holds checks one condition on a call's arguments.
func (f *file) holds(c cond, args []arg) bool {
	found := false
	for _, at := range c.at {
		if at == "any" {
			for _, a := range args {
				if f.meets(c, a.expr) {
					return true
				}
			}
			return false
		}
		pos, err := strconv.Atoi(at)
		n := 0
		for _, a := range args {
			if err != nil && a.name == at || err == nil && a.name == "" && (n == pos || a.spread && n <= pos) {
				if c.Is == "absent" {
					return false
				}
				found = true
				if f.meets(c, a.expr) {
					return true
				}
				break
			}
			if a.name == "" {
				n++
			}
		}
		if found {
			return false
		}
	}
	return c.Is == "absent"
}

// meets checks one condition on an expression.
func (f *file) meets(c cond, e expr) bool {
	if e.empty() {
		return false
	}
	if c.text != nil || c.notText != nil {
		text, ok := f.sourceOf(e)
		if !ok || c.text != nil && !c.text.MatchString(text) || c.notText != nil && c.notText.MatchString(text) {
			return false
		}
	}
	if c.Is == "present" || c.Is == "" && c.value == nil {
		return c.Is != "absent"
	}
	v := f.eval(e)
	if c.value != nil && !(v.text && c.value.MatchString(v.lit)) {
		return false
	}
	switch c.Is {
	case "constant":
		return !v.varies
	case "variable":
		return v.varies
	case "built":
		return v.built()
	case "string":
		return v.text && !v.varies
	case "tainted":
		return v.tainted
	}
	return true
}

// maxCondText bounds the source of one expression that is compared with a rule's, in bytes. Longer
// ones are data, and what tells them stands at their beginning.
const maxCondText = 4 << 10

// readingPerByte bounds what is compared in all of a file: calls nested in calls have
// their ends in common, and each would read them again. Ordinary code needs a tenth.
const readingPerByte = 20

// sourceOf returns an expression's source, as far as it is looked at; false if the file has
// used up what may be looked at, and nothing more matches in it.
func (f *file) sourceOf(e expr) (string, bool) {
	text := f.src.text[e.pos():min(e.end(), e.pos()+maxCondText)]
	f.reading -= len(text)
	return text, f.reading >= 0
}

// excluded reports whether a form's Not takes e away.
func (f *file) excluded(fm *form, e expr) bool {
	if fm.not == nil {
		return false
	}
	text, ok := f.sourceOf(e)
	return !ok || fm.not.MatchString(text)
}

func (f *file) assignments(u *unit) {
	if len(f.lang.byName) == 0 {
		return
	}
	for i, t := range u.toks {
		if !t.is("=") && !t.is("+=") && !t.is(".=") || u.at(i-1).kind != ident || f.lang.byName[u.at(i-1).text] == nil {
			continue
		}
		e := expr{u, i + 1, u.exprEnd(f.d, i+1)}
		if e.empty() {
			continue
		}
		path, start := f.path(u, i-1)
		for _, fm := range f.lang.byName[u.at(i-1).text] {
			if f.named(fm.names, path) && f.applies(fm) && f.meets(fm.conds[0], e) {
				f.hit(fm, u, start, e.hi)
			}
		}
	}
}

// stringForms matches strings, together with what they are joined with.
func (f *file) stringForms(u *unit) {
	for i, t := range u.toks {
		if t.kind != str || t.quote == '/' {
			continue
		}
		if prev := u.at(i - 1); prev.kind == punct && i > 0 && f.joins(prev) && u.at(i-2).kind != punct {
			continue // the middle of what began before
		}
		for _, fm := range f.lang.strings {
			if fm.m.Quote != "" && fm.m.Quote[0] != t.quote {
				continue
			}
			if fm.m.Is == "" {
				if fm.re.MatchString(t.text) && f.applies(fm) {
					f.hit(fm, u, i, i+1)
				}
				continue
			}
			if next := u.at(i + 1); t.inner == nil && next.kind != punct {
				continue // a constant, whatever it says
			}
			if p := u.at(i - 1); t.quote == '`' && f.d == jsDialect && p.kind == ident && !t.sp && !keywords[p.text] {
				continue // a tagged template: its tag gets the parts apart
			}
			e := expr{u, i, u.exprEnd(f.d, i)}
			v := f.eval(e)
			if !fm.re.MatchString(v.lit) {
				continue
			}
			ok := fm.m.Is == "built" && v.built() || fm.m.Is == "tainted" && v.tainted || fm.m.Is == "variable" && v.joined && v.varies
			if ok && f.applies(fm) && !f.excluded(fm, e) {
				f.hit(fm, u, i, e.hi)
			}
		}
	}
}

// joins reports whether t joins strings.
func (f *file) joins(t token) bool {
	return t.is("+") || t.is("%") || t.is(".") && f.d == phpDialect
}

// codeForms matches the blanked text.
func (f *file) codeForms() {
	for _, fm := range f.lang.code {
		if !fm.code.may(f.lower) || !f.applies(fm) {
			continue
		}
		for _, m := range fm.code.FindAllStringIndex(f.src.blanked, finding.MaxPerRuleAndFile+1) {
			from, to := m[0], max(m[1], m[0]+1)
			for from < to-1 && (f.src.blanked[from] == ' ' || f.src.blanked[from] == '\n' || f.src.blanked[from] == '\t') {
				from++
			}
			if fm.not != nil && fm.not.MatchString(f.src.linesText(from, to)) {
				continue
			}
			f.hits = append(f.hits, hit{fm.rule, fm.severity, from, min(to, len(f.src.text)), f.src.blanked[from:min(to, len(f.src.text))]})
		}
	}
}

// linesText returns the blanked lines that the range from..to is on.
func (s *source) linesText(from, to int) string {
	first, last := s.line(from), s.line(max(from, to-1))
	end := len(s.blanked)
	if last < len(s.lines) {
		end = s.lines[last]
	}
	return s.blanked[s.lines[first-1]:end]
}
