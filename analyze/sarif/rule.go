package sarif

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/cordonlabs/cordon/finding"
)

// rule returns the rule that a result breaks, with its id: what the tool's driver,
// or one of its extensions, says of it (§3.27.5 to §3.27.7).
func (one *run) rule(res *result) rule {
	rules, id, index := one.Tool.Driver.Rules, res.RuleID, res.RuleIndex
	if ref := res.Rule; ref != nil {
		id = orElse(id, ref.ID)
		if index == nil {
			index = ref.Index
		}
		if i := ref.ToolComponent.Index; i != nil && *i >= 0 && *i < len(one.Tool.Extensions) {
			rules = one.Tool.Extensions[*i].Rules
		}
	}
	if index != nil && *index >= 0 && *index < len(rules) {
		// An id may name a part of its rule: "CA1000/1".
		if known := rules[*index]; id == "" || known.ID == id || strings.HasPrefix(id, known.ID+"/") {
			known.ID = orElse(id, known.ID)
			return known
		}
	}
	for _, c := range slices.Concat([]component{one.Tool.Driver}, one.Tool.Extensions) {
		if i := slices.IndexFunc(c.Rules, func(k rule) bool { return k.ID == id }); i >= 0 && id != "" {
			return c.Rules[i]
		}
	}
	return rule{ID: id}
}

// ruleID is unique over all tools, one word, and fit for the ignore file.
func ruleID(tool, id string) string {
	return slug(tool) + "-" + orElse(slug(id), "result")
}

// slug spells a name as one word of lower-case letters, digits and ". _ / -".
func slug(s string) string {
	if len(s) > 120 {
		s = s[:120]
	}
	s = strings.Map(func(c rune) rune {
		switch {
		case c < unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c)) || strings.ContainsRune("._/-", c):
			return unicode.ToLower(c)
		}
		return '-'
	}, s)
	return strings.Trim(s, "-./")
}

// severity takes the number that code hosts go by, then a word that the tool has
// for it, then SARIF's level (§3.27.10, whose default is "warning").
func severity(res *result, k rule) finding.Severity {
	for _, p := range []map[string]any{res.Properties, k.Properties} {
		if score, ok := score(p["security-severity"]); ok {
			switch { // the names that CVSS 3.1 gives to its ranges
			case score >= 9:
				return finding.Critical
			case score >= 7:
				return finding.High
			case score >= 4:
				return finding.Medium
			case score > 0:
				return finding.Low
			}
			return finding.Info
		}
	}
	for _, p := range []map[string]any{res.Properties, k.Properties} {
		for _, name := range []string{"severity", "issue_severity", "problem.severity"} {
			word, _ := p[name].(string)
			if s, ok := words[strings.ToLower(word)]; ok {
				return s
			}
		}
	}
	if res.Kind == "informational" {
		return finding.Info
	}
	switch orElse(res.Level, k.Config.Level) {
	case "error":
		return finding.High
	case "note":
		return finding.Low
	case "none":
		return finding.Info
	}
	return finding.Medium
}

var words = map[string]finding.Severity{
	"critical": finding.Critical, "blocker": finding.Critical, "high": finding.High, "error": finding.High, "major": finding.High,
	"medium": finding.Medium, "moderate": finding.Medium, "warning": finding.Medium,
	"low": finding.Low, "minor": finding.Low, "recommendation": finding.Low, "note": finding.Low,
	"info": finding.Info, "informational": finding.Info, "style": finding.Info, "undefined": finding.Info,
}

// score reads a number, or text that is one.
func score(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f, err == nil
	}
	return 0, false
}

// category is the tool's own word for the kind of rule, or the tool.
func category(res *result, k rule, tool string) string {
	for _, p := range []map[string]any{res.Properties, k.Properties} {
		if word, _ := p["category"].(string); slug(word) != "" {
			return slug(word)
		}
	}
	for _, tag := range tags(k) {
		if tag = slug(tag); tag != "" && tag != "security" && !strings.HasPrefix(tag, "external/") && !strings.HasPrefix(tag, "cwe") {
			return tag
		}
	}
	return slug(tool)
}

func tags(k rule) (out []string) {
	list, _ := k.Properties["tags"].([]any)
	for _, t := range list {
		if s, ok := t.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// cweForm is the weakness in "CWE-79", "external/cwe/cwe-079" or "CWE-79: Cross-site …".
var cweForm = regexp.MustCompile(`(?i)(?:^|/)cwe-0*([1-9]\d{0,4})(?:$|[^0-9])`)

// weakness is the first CWE that is named for the result or its rule: "CWE-79", or "".
func weakness(res *result, k rule) string {
	var names []string
	for _, t := range res.Taxa {
		names = append(names, t.named())
	}
	for _, rel := range k.Relationships {
		names = append(names, rel.Target.named())
	}
	names = append(names, tags(k)...)
	for _, p := range []map[string]any{res.Properties, k.Properties} {
		switch cwe := p["cwe"].(type) {
		case string:
			names = append(names, cwe)
		case []any:
			for _, v := range cwe {
				if s, ok := v.(string); ok {
					names = append(names, s)
				}
			}
		}
	}
	for _, n := range names {
		if m := cweForm.FindStringSubmatch(n); m != nil {
			return "CWE-" + m[1]
		}
	}
	return ""
}

// named is a reference's id; of the CWE, which some give as a mere number, with its name.
func (r reference) named() string {
	if strings.EqualFold(r.ToolComponent.Name, "cwe") && !strings.HasPrefix(strings.ToLower(r.ID), "cwe-") {
		return "CWE-" + r.ID
	}
	return r.ID
}
