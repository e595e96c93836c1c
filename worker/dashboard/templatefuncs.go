package dashboard

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"

	"github.com/cordonlabs/cordon/finding"
	"github.com/cordonlabs/cordon/internal/pollers"
)

// shapes are what the templates put together for others of them.
var shapes = template.FuncMap{
	"nav": func(v view, page, path, label string) any {
		here := v.Page == page || parents[v.Page] == page
		return struct {
			Path, Label string
			Here        bool
		}{path, label, here}
	},
	"paging": func(v view, p Paging) any {
		return struct {
			View   view
			Paging Paging
		}{v, p}
	},
	"bar": func(class string, b Bar, label string) any {
		return struct {
			Class, Label string
			Bar          Bar
		}{class, label, b}
	},
	"curve": func(points line, label string) any {
		return struct {
			Points line
			Label  string
		}{points, label}
	},
	"one":        func(s Step) []Step { return []Step{s} },
	"deref":      func(n *int) int { return *n },
	"minus":      func(a, b int) int { return a - b },
	"path":       pathOf,
	"options":    options,
	"severities": severities,
	"process":    process,
}

// parents are the pages in the navigation that others belong to.
var parents = map[string]string{"entry": "entries", "run": "runs", "crash": "crashes", "result": "findings", "gc": "overview"}

// pathOf joins parts of a path, of which every other one is foreign.
func pathOf(parts ...any) string {
	var b strings.Builder
	for i, p := range parts {
		if i%2 == 0 {
			fmt.Fprint(&b, p)
		} else {
			b.WriteString(url.PathEscape(fmt.Sprint(p)))
		}
	}
	return b.String()
}

// options renders those of a choice, of pairs of a value and what it is called.
func options(chosen string, pairs ...string) template.HTML {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		mark := ""
		if pairs[i] == chosen {
			mark = " selected"
		}
		fmt.Fprintf(&b, `<option value="%s"%s>%s</option>`, template.HTMLEscapeString(pairs[i]), mark, template.HTMLEscapeString(pairs[i+1]))
	}
	return template.HTML(b.String()) // #nosec G203 escaped above
}

// severityCount is how many findings have a severity.
type severityCount struct {
	Name  string
	Count int
}

// severities lists the counts that are not zero, the worst first.
func severities(counts map[finding.Severity]int) []severityCount {
	var list []severityCount
	for _, s := range []finding.Severity{finding.Critical, finding.High, finding.Medium, finding.Low, finding.Info} {
		if n := counts[s]; n > 0 {
			list = append(list, severityCount{string(s), n})
		}
	}
	return list
}

// process is the part of a worker's name that people know it by: pid@machine, of Cordon's.
func process(identity string) string {
	if id, ok := pollers.Parse(identity); ok {
		return id.Process
	}
	return identity
}
