package secrets

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/cordonlabs/cordon/analyze"
)

// ignoreFile is gitleaks' own ignore file, a line for each secret that the project knows of:
// path:rule:line, or commit:path:rule:line.
const ignoreFile = ".gitleaksignore"

// maxIgnoreBytes bounds it: a megabyte is ten thousand lines.
const maxIgnoreBytes = 1 << 20

// ignoreMarks are the lines of a .gitleaksignore.
type ignoreMarks map[string]struct{}

// readIgnore reads the root's .gitleaksignore. Without a readable one there are no marks.
func readIgnore(tree *analyze.Tree) ignoreMarks {
	b, err := tree.ReadFile(ignoreFile, maxIgnoreBytes)
	if err != nil {
		return nil // it is optional, and an unreadable one hides nothing
	}
	marks := make(ignoreMarks)
	for line := range bytes.Lines(b) {
		s := strings.TrimSpace(string(line))
		if s != "" && s[0] != '#' {
			marks[strings.ReplaceAll(s, `\`, "/")] = struct{}{}
		}
	}
	return marks
}

func (m ignoreMarks) has(commit, path, rule string, line int) bool {
	if len(m) == 0 {
		return false
	}
	key := path + ":" + rule + ":" + strconv.Itoa(line)
	if _, ok := m[key]; ok {
		return true
	}
	_, ok := m[commit+":"+key]
	return ok && commit != ""
}

// byLength returns values, the longest first, so that replacing one leaves no rest of another.
func byLength(values []string) []string {
	out := slices.Clone(values)
	slices.SortStableFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}
