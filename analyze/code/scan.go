package code

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
)

// maxFileBytes is the largest file that is looked at: far above what people write, and a second of work.
const maxFileBytes = 2 << 20

// maxSnippetLines bounds a snippet: enough for a call over some lines.
const maxSnippetLines = 5

// Options say what to scan.
type Options struct {
	Dir      string           // the workspace
	Scrubber analyze.Scrubber // goes over every file that has findings, before snippets are cut out of it; needed
	Progress analyze.Progress // may be nil
}

// Scan looks for dangerous code in the workspace's files: Python, JavaScript, TypeScript, Java, PHP and
// Ruby. Minified files and other people's code (node_modules, vendor and the like) are left out and
// counted. It fails only if the directory cannot be read or ctx ends.
func Scan(ctx context.Context, opt Options) (*analyze.Result, error) {
	if opt.Scrubber == nil {
		return nil, errors.New("code: Options.Scrubber is nil")
	}
	tree, err := analyze.OpenTree(opt.Dir)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	list, err := tree.List(ctx)
	if err != nil {
		return nil, err
	}
	res := &analyze.Result{Tools: []finding.Tool{{Name: "cordon-code", Available: true}}}
	var files []analyze.File
	for _, f := range list.Files {
		if _, ok := dialects[analyze.LanguageOf(f.Path)]; !ok {
			continue
		}
		if analyze.IsVendored(f.Path) {
			res.Skip(analyze.SkipVendored, 1)
			continue
		}
		files = append(files, f)
	}
	var (
		mu  sync.Mutex
		all []finding.Finding
	)
	err = analyze.Each(ctx, files, opt.Progress, func(_ context.Context, f analyze.File) {
		text, skip := read(tree, f)
		var found []finding.Finding
		var suppressed int
		if skip == "" {
			found, suppressed, skip = scanFile(f.Path, text, opt.Scrubber)
		}
		mu.Lock()
		defer mu.Unlock()
		if skip != "" {
			res.Skip(skip, 1)
			return
		}
		res.FilesScanned++
		res.Suppressed += suppressed
		all = append(all, found...)
	})
	if err != nil {
		return nil, err
	}
	if n := res.FilesSkipped[analyze.SkipVendored]; n > 0 {
		res.Notes = append(res.Notes, fmt.Sprintf("%d source files in vendored or generated folders (node_modules, vendor, dist, …) were not analysed.", n))
	}
	if res.Suppressed > 0 {
		res.Notes = append(res.Notes, fmt.Sprintf("%d findings are marked nosec or cordon:ignore in the code and left out.", res.Suppressed))
	}
	res.Close(all)
	return res, nil
}

// read returns a file's text, or why it is left out.
func read(tree *analyze.Tree, f analyze.File) (text, skip string) {
	if f.Size > maxFileBytes {
		return "", analyze.SkipTooLarge
	}
	b, err := tree.ReadFile(f.Path, maxFileBytes)
	switch {
	case errors.Is(err, analyze.ErrTooLarge):
		return "", analyze.SkipTooLarge
	case err != nil:
		return "", analyze.SkipUnreadable
	case analyze.IsBinary(b):
		return "", analyze.SkipBinary
	case analyze.IsMinified(f.Path, b):
		return "", analyze.SkipMinified
	}
	return string(b), ""
}

func scanFile(path, text string, scrubber analyze.Scrubber) (out []finding.Finding, suppressed int, skip string) {
	hits, src, suppressed := scan(analyze.LanguageOf(path), text)
	if len(hits) == 0 {
		return nil, suppressed, ""
	}
	lines := strings.Split(scrubber.Scrub(text), "\n")
	for _, h := range hits {
		first, last := src.line(h.from), src.line(max(h.from, h.to-1))
		f := finding.Finding{
			RuleID: h.rule.ID, Title: h.rule.Title, Severity: h.severity, Category: h.rule.Category,
			Description:    strings.TrimSpace(h.rule.Description),
			Recommendation: strings.TrimSpace(h.rule.Recommendation),
			FilePath:       path, LineStart: first, LineEnd: last,
			CodeSnippet: snippet(lines, first, last),
			Metadata:    map[string]any{"tool": "cordon-code", "cwe": h.rule.CWE},
			Key:         h.key,
		}
		if h.rule.Redact {
			f.CodeSnippet = snippet(strings.Split(src.maskedLiterals(), "\n"), first, last)
		}
		if isTest(path) {
			f.Severity = lower(f.Severity)
			f.Metadata["in_tests"] = true
		}
		out = append(out, f)
	}
	return out, suppressed, ""
}

// snippet cuts lines first to last out, at most maxSnippetLines of at most 300 bytes.
func snippet(lines []string, first, last int) string {
	first, last = max(first, 1), min(last, len(lines), first+maxSnippetLines-1)
	if first > last {
		return ""
	}
	out := make([]string, 0, last-first+1)
	for _, l := range lines[first-1 : last] {
		l = strings.ToValidUTF8(strings.TrimRight(l, " \t\r"), "�")
		if len(l) > 300 {
			cut := 300
			for cut > 0 && !utf8.RuneStart(l[cut]) {
				cut--
			}
			l = l[:cut] + "…"
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}

// maskedLiterals is the text with the content of every literal masked, lines kept.
func (s *source) maskedLiterals() string {
	b := []byte(s.text)
	for i := range b {
		if s.blanked[i] == ' ' && b[i] != ' ' && b[i] != '\t' && b[i] != '\r' {
			b[i] = '*'
		}
	}
	return string(b)
}

// lower is the next lower severity: what a test does wrong is rarely reached by anybody.
func lower(s finding.Severity) finding.Severity {
	switch s {
	case finding.Critical:
		return finding.High
	case finding.High:
		return finding.Medium
	case finding.Medium:
		return finding.Low
	}
	return finding.Info
}
