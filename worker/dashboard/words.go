package dashboard

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/people"
)

// functions are what the templates render values with. All but the times return text, which
// the templates escape.
var functions = template.FuncMap{
	"plain":     anyPlain,
	"text":      text,
	"short":     brief,
	"bytes":     cordon.FormatBytes,
	"count":     func(n any, one, many string) string { return people.Count(int(whole(n)), one, many) },
	"number":    func(n any) string { return people.Thousands(int(whole(n))) },
	"large":     large,
	"ago":       func(t time.Time) template.HTML { return stamp(t, people.Ago(t, time.Now()), "ago") },
	"until":     func(t time.Time) template.HTML { return stamp(t, people.Until(t, time.Now()), "until") },
	"clock":     func(t time.Time) template.HTML { return stamp(t, t.Local().Format("15:04:05"), "") },
	"date":      func(t time.Time) template.HTML { return stamp(t, t.Local().Format("2 Jan 15:04:05"), "") },
	"after":     func(prefix, s string) string { return strings.TrimPrefix(s, prefix) },
	"clip":      clip,
	"since":     func(t time.Time) string { return people.Short(time.Since(t)) },
	"took":      func(from, to time.Time) string { return duration(to.Sub(from)) },
	"duration":  duration,
	"seconds":   func(n any) string { return people.Short(time.Duration(whole(n)) * time.Second) },
	"build":     func() string { return build },
	"link":      link,
	"with_":     withQuery,
	"severity":  severityClass,
	"lower":     strings.ToLower,
	"words":     func(s string) string { return strings.ReplaceAll(s, "-", " ") },
	"where":     where,
	"firstLine": func(s string) string { line, _, _ := strings.Cut(s, "\n"); return line },
}

// anyPlain renders a foreign name: what is invisible in it, or would turn text around, is
// made visible.
func anyPlain(v any) string { return people.Plain(fmt.Sprint(v)) }

// text renders foreign text of several lines, as plain does a name.
func text(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		columns := strings.Split(strings.TrimSuffix(l, "\r"), "\t")
		for k, c := range columns {
			columns[k] = people.Plain(c)
		}
		lines[i] = strings.Join(columns, "\t")
	}
	return strings.Join(lines, "\n")
}

// brief renders a long name by its beginning and its end; the whole of it belongs into the
// title.
func brief(n int, v any) string {
	s := anyPlain(v)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	tail := n / 4
	return strings.TrimRightFunc(string(r[:n-tail-1]), unicode.IsSpace) + "…" + string(r[len(r)-tail:])
}

// clip renders a text by its beginning.
func clip(n int, v any) string {
	r := []rune(anyPlain(v))
	if len(r) <= n {
		return string(r)
	}
	return strings.TrimRightFunc(string(r[:n-1]), unicode.IsSpace) + "…"
}

// duration renders how long a step took; of short ones the milliseconds tell.
func duration(d time.Duration) string {
	if d = max(d, 0); d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return people.Short(d)
}

func whole(n any) int64 {
	switch n := n.(type) {
	case int:
		return int64(n)
	case int64:
		return n
	case float64:
		return int64(n + 0.5)
	}
	panic(fmt.Sprintf("dashboard: a template counts a %T", n))
}

// large renders a count in three figures or so, where it moves while one looks at it.
func large(n any) string {
	v := float64(whole(n))
	for _, u := range []struct {
		of   float64
		name string
	}{{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e5, " k"}} {
		if v >= u.of {
			if u.name == " k" {
				return people.Thousands(int(v/1e3)) + " k"
			}
			return fmt.Sprintf("%.2f%s", v/u.of, u.name)
		}
	}
	return people.Thousands(int(v))
}

// stamp renders a time as words, with the moment itself in its title. The script keeps
// words of the kinds "ago" and "until" true.
func stamp(t time.Time, words, kind string) template.HTML {
	if t.IsZero() {
		return "–"
	}
	if kind != "" {
		kind = ` data-time="` + kind + `"`
	}
	// Nothing in it is foreign.
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s"%s>%s</time>`, t.UTC().Format(time.RFC3339Nano), t.Local().Format("2006-01-02 15:04:05 MST"), kind, words)) // #nosec G203
}

// link returns the address path?name=value&…, of pairs.
func link(path string, pairs ...any) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v := fmt.Sprint(pairs[i+1]); v != "" {
			q.Set(fmt.Sprint(pairs[i]), v)
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// withQuery returns the address of the page with other parameters of those that it has.
func withQuery(v view, pairs ...any) string {
	q := url.Values{}
	for name, values := range v.Query {
		q[name] = values
	}
	q.Del("did")
	for i := 0; i+1 < len(pairs); i += 2 {
		name := fmt.Sprint(pairs[i])
		if name != "page" {
			q.Del("page") // another order has other pages
		}
		if value := fmt.Sprint(pairs[i+1]); value == "" {
			q.Del(name)
		} else {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return v.Path
	}
	return v.Path + "?" + q.Encode()
}

// severityClass is the class of a severity: what comes from a file may be anything.
func severityClass(v any) string {
	switch s := strings.ToLower(fmt.Sprint(v)); s {
	case "critical", "high", "medium", "low", "info":
		return s
	}
	return "none"
}
