package code

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
	"go.yaml.in/yaml/v3"
)

// RuleSet is one file of rules.
type RuleSet struct {
	Languages []analyze.Language `yaml:"languages"`

	// Sources are regular expressions of expressions whose value a user chooses; "is: tainted" means them.
	Sources []string `yaml:"sources"`

	// Safe are calls whose result is harmless whatever goes in: int(x), shlex.quote(x).
	Safe []string `yaml:"safe"`

	Rules []Rule `yaml:"rules"`
}

// Rule is one thing to look for. A place matches it if one of Any does.
type Rule struct {
	ID             string           `yaml:"id"`
	Title          string           `yaml:"title"`
	Severity       finding.Severity `yaml:"severity"`
	Category       string           `yaml:"category"`
	CWE            string           `yaml:"cwe"`
	Description    string           `yaml:"description"`
	Recommendation string           `yaml:"recommendation"`

	// When is a regular expression that the file must match somewhere.
	When string `yaml:"when"`

	// Unless is one that it must not match anywhere: what makes the places harmless.
	Unless string `yaml:"unless"`

	// Redact hides every string literal in the snippet: the rule is about secrets in the code.
	Redact bool `yaml:"redact"`

	Any []Match `yaml:"any"`

	// Bad are pieces of code that the rule must find, Good ones that it must not. The tests run them.
	Bad  []string `yaml:"bad"`
	Good []string `yaml:"good"`
}

// Match is one form of what a rule looks for: a call, an assignment, a string, or
// code by regular expression. Exactly one of Call, Assign, String and Code is set.
type Match struct {
	// Call names functions: in full after imports ("subprocess.run"), a constructor ("new
	// Function"), or a method of anything ("*.execute").
	Call []string `yaml:"call"`
	Args []Cond   `yaml:"args"` // all must hold

	// Assign names what is assigned to, in the same way; the right side must meet To.
	Assign []string `yaml:"assign"`
	To     Cond     `yaml:"to"`

	// String is a regular expression for the literal text of a string; Is and Quote narrow it down.
	String string `yaml:"string"`
	Is     string `yaml:"is"`
	Quote  string `yaml:"quote"` // its opening mark: "`"

	// Code is a regular expression over the file with comments and literals blanked out; Not, over the lines of a
	// match, takes matches away.
	Code string `yaml:"code"`
	Not  string `yaml:"not"`

	// Severity overrides the rule's.
	Severity finding.Severity `yaml:"severity"`
}

// Cond is a condition on one argument of a call. All that is set must hold.
type Cond struct {
	// At says which: a position from 0, a keyword, "any", or several of them with | between; the first one
	// that is there counts.
	At string `yaml:"at"`

	// Is: constant, variable (anything else), built (a string made of text and
	// something that varies), string (a constant one), tainted, absent, present.
	Is string `yaml:"is"`

	Text    string `yaml:"text"`     // a regular expression for its source
	NotText string `yaml:"not_text"` // one that its source must not match
	Value   string `yaml:"value"`    // one for the literal text in it, through variables
}

//go:embed rules/*.yaml
var ruleFiles embed.FS

// Rules returns the built-in rules, as they are in the rule files. The caller must not change them.
var Rules = sync.OnceValue(func() []RuleSet {
	names, err := fs.Glob(ruleFiles, "rules/*.yaml")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	var sets []RuleSet
	for _, name := range names {
		body, err := ruleFiles.ReadFile(name)
		if err != nil {
			panic(err) // embedded
		}
		dec := yaml.NewDecoder(bytes.NewReader(body))
		dec.KnownFields(true)
		var set RuleSet
		if err := dec.Decode(&set); err != nil {
			panic(fmt.Sprintf("%s: %v", name, err)) // a test reads every rule file
		}
		sets = append(sets, set)
	}
	return sets
})

// language is a compiled rule set.
type language struct {
	safe    map[string]bool
	sources *filtered
	byCall  map[string][]*form // by the last name of the callee
	byName  map[string][]*form // by the last name of what is assigned to
	strings []*form
	code    []*form
}

// form is a compiled Match.
type form struct {
	rule     *Rule
	m        *Match
	severity finding.Severity
	names    []string
	re, not  *regexp.Regexp
	code     *filtered
	when     *filtered
	unless   *filtered
	conds    []cond
}

type cond struct {
	Cond
	at                   []string
	text, notText, value *regexp.Regexp
}

var languages = sync.OnceValue(func() map[analyze.Language]*language {
	out := make(map[analyze.Language]*language)
	for _, set := range Rules() {
		lang, err := compile(set)
		if err != nil {
			panic(err) // a test compiles every rule file
		}
		for _, l := range set.Languages {
			out[l] = lang
		}
	}
	return out
})

func compile(set RuleSet) (*language, error) {
	l := &language{safe: make(map[string]bool), byCall: make(map[string][]*form), byName: make(map[string][]*form)}
	for _, s := range set.Safe {
		l.safe[s] = true
	}
	var err error
	re := func(s string) *regexp.Regexp {
		if s == "" || err != nil {
			return nil
		}
		var r *regexp.Regexp
		r, err = regexp.Compile(s)
		return r
	}
	fast := func(s string) *filtered {
		if s == "" || err != nil {
			return nil
		}
		var r *filtered
		r, err = compileFiltered(s)
		return r
	}
	if len(set.Sources) > 0 {
		l.sources = fast(strings.Join(set.Sources, "|"))
	}
	for i := range set.Rules {
		r := &set.Rules[i]
		for j := range r.Any {
			m := &r.Any[j]
			f := &form{rule: r, m: m, severity: r.Severity, when: fast(r.When), unless: fast(r.Unless), not: re(m.Not)}
			if m.Severity != "" {
				f.severity = m.Severity
			}
			set := 0
			if m.Call != nil {
				set++
				f.names = m.Call
				index(l.byCall, f)
			}
			if m.Assign != nil {
				set++
				f.names = m.Assign
				index(l.byName, f)
				m.Args = []Cond{m.To}
			}
			if m.String != "" {
				set++
				f.re = re(m.String)
				l.strings = append(l.strings, f)
			}
			if m.Code != "" {
				set++
				f.code = fast(m.Code)
				l.code = append(l.code, f)
			}
			if set != 1 {
				return nil, fmt.Errorf("rule %s: form %d needs one of call, assign, string, code", r.ID, j)
			}
			for _, c := range m.Args {
				switch c.Is {
				case "", "constant", "variable", "built", "string", "tainted", "absent", "present":
				default:
					return nil, fmt.Errorf("rule %s: unknown condition %q", r.ID, c.Is)
				}
				f.conds = append(f.conds, cond{c, strings.Split(c.At, "|"), re(c.Text), re(c.NotText), re(c.Value)})
			}
		}
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.ID, err)
		}
	}
	return l, nil
}

// index files f under the last component of each of its names.
func index(by map[string][]*form, f *form) {
	seen := make(map[string]bool)
	for _, n := range f.names {
		n = strings.TrimPrefix(n, "new ")
		last := n[strings.LastIndexByte(n, '.')+1:]
		if !seen[last] {
			seen[last] = true
			by[last] = append(by[last], f)
		}
	}
}
