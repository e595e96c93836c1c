package activities

import (
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/metadata"
)

// toolWords makes what a tool prints and reports fit for others: its directories
// become the placeholders that they came from, which tell more than a path in the
// cache of one host, and secrets are taken out. It implements analyze.Scrubber.
type toolWords struct {
	scrub analyze.Scrubber
	paths *strings.Replacer
}

// Scrub implements analyze.Scrubber.
func (w toolWords) Scrub(text string) string { return w.scrub.Scrub(w.paths.Replace(text)) }

// words returns the run's own, once its directories are known.
func (t *toolRun) words(scrub analyze.Scrubber) toolWords {
	var pairs []string
	for _, d := range []struct{ path, name string }{
		{t.output, metadata.OutputPlaceholder}, {t.dir, metadata.WorkspacePlaceholder}, {filepath.Dir(t.w.File), metadata.WorkflowPlaceholder},
	} {
		if filepath.IsAbs(d.path) {
			pairs = append(pairs, d.path, "{"+d.name+"}")
		}
	}
	return toolWords{scrub, strings.NewReplacer(pairs...)}
}

// absolutePath finds paths in what a tool prints.
var absolutePath = regexp.MustCompile(`(?:^|[\s'"(=:])(/[^\s'":,)]+)`)

// wroteInto reports whether what a tool printed says that it could not write into
// the workspace dir, which is read-only and where it worked. A line that names only
// places elsewhere is about those; its own files, which begin many a line, do not
// count.
func wroteInto(dir, printed string, own []string) bool {
	below := func(path string, dirs ...string) bool {
		for _, d := range dirs {
			if path == d || strings.HasPrefix(path, d+"/") {
				return true
			}
		}
		return false
	}
	for line := range strings.Lines(printed) {
		low := strings.ToLower(line)
		readOnly := strings.Contains(low, "read-only file system")
		if !readOnly && !strings.Contains(low, "permission denied") && !strings.Contains(low, "operation not permitted") {
			continue
		}
		inside, elsewhere := false, false
		for _, m := range absolutePath.FindAllStringSubmatch(line, -1) {
			switch {
			case below(m[1], dir):
				inside = true
			case !below(m[1], own...):
				elsewhere = true
			}
		}
		if inside || readOnly && !elsewhere {
			return true
		}
	}
	return false
}
