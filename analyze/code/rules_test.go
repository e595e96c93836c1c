package code

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/cordonlabs/cordon/analyze"
)

// The rules' own examples are the tests of rules and engine: each bad one is found by its
// rule, each good one is not.
func TestRulesFindTheirBadExamplesAndNotTheirGoodOnes(t *testing.T) {
	for _, set := range Rules() {
		for _, r := range set.Rules {
			t.Run(r.ID, func(t *testing.T) {
				for _, lang := range set.Languages {
					for _, bad := range r.Bad {
						if !finds(lang, bad, r.ID) {
							t.Errorf("%s: not found in:\n%s", lang, bad)
						}
					}
					for _, good := range r.Good {
						if finds(lang, good, r.ID) {
							t.Errorf("%s: found in harmless:\n%s", lang, good)
						}
					}
				}
			})
		}
	}
}

// finds runs one language's rules without dropping what another rule says of the same line.
func finds(l analyze.Language, text, rule string) bool {
	lang := *languages()[l]
	only := func(fs []*form) (out []*form) {
		for _, f := range fs {
			if f.rule.ID == rule {
				out = append(out, f)
			}
		}
		return out
	}
	pick := func(by map[string][]*form) map[string][]*form {
		out := make(map[string][]*form)
		for k, fs := range by {
			if fs := only(fs); fs != nil {
				out[k] = fs
			}
		}
		return out
	}
	lang.byCall, lang.byName, lang.strings, lang.code = pick(lang.byCall), pick(lang.byName), only(lang.strings), only(lang.code)
	hits, _, _ := scanWith(&lang, dialects[l], text)
	return len(hits) > 0
}

func TestRulesAreComplete(t *testing.T) {
	atLeast := map[analyze.Language]int{analyze.Python: 40, analyze.JavaScript: 35, analyze.TypeScript: 35, analyze.Java: 10, analyze.PHP: 10, analyze.Ruby: 10}
	seen := make(map[string]bool)
	for _, set := range Rules() {
		for _, l := range set.Languages {
			if n := len(set.Rules); n < atLeast[l] {
				t.Errorf("%s has %d rules, want at least %d", l, n, atLeast[l])
			}
			delete(atLeast, l)
		}
		for _, r := range set.Rules {
			var missing []string
			for what, ok := range map[string]bool{
				"a unique id": !seen[r.ID] && regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`).MatchString(r.ID),
				"title":       r.Title != "", "severity": r.Severity != "", "category": r.Category != "",
				"CWE": regexp.MustCompile(`^CWE-\d+$`).MatchString(r.CWE), "description": r.Description != "", "recommendation": r.Recommendation != "",
				"a form": len(r.Any) > 0, "a bad example": len(r.Bad) > 0, "a good example": len(r.Good) > 0,
			} {
				if !ok {
					missing = append(missing, what)
				}
			}
			if missing != nil {
				t.Error(r.ID, "lacks", fmt.Sprint(missing))
			}
			seen[r.ID] = true
		}
	}
	if len(atLeast) > 0 {
		t.Errorf("languages without rules: %v", atLeast)
	}
}
