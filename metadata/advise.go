package metadata

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/cordonlabs/cordon"
)

// Level says how much an Advice matters.
type Level string

// The levels of advice.
const (
	// Danger means that runs will probably disturb each other, or fail.
	Danger Level = "error"
	// Hint means that another mode would probably serve better.
	Hint Level = "hint"
)

// Advice is what a workflow's own words suggest about its mode. It is a guess
// from a few words, and its text says which one.
type Advice struct {
	Level Level
	Text  string
}

func (a Advice) String() string { return string(a.Level) + ": " + a.Text }

// Words that tell what a workflow does with its files; a trailing * matches any ending.
var (
	fuzzingWords = []string{"fuzz*", "libfuzzer*", "afl", "aflplusplus", "honggfuzz*", "atheris*", "syzkaller"}
	writingWords = []string{"modif*", "patch*", "rewrit*", "autofix*", "instrument*", "mutat*", "repair*"}
	readingWords = []string{"secret", "secrets", "scan", "scans", "scanner", "scanning", "sast", "static", "lint", "linter",
		"linting", "inventory", "gitleaks*", "sbom", "assessment", "audit"}
	// A word of writing right after one of these says that nothing is written.
	negations = []string{"not", "no", "never", "without", "doesn't", "cannot", "nothing"}
)

// Advise compares the mode with what the workflow's name, tags, vertical and
// description say it does: fuzzing and changing files need a tree of the run's
// own, reading does not.
func Advise(w Workflow) []Advice {
	if word, where := w.says(fuzzingWords); word != "" {
		if w.Isolation == cordon.Shared {
			return []Advice{{Danger, fmt.Sprintf("the %s says %q, and a fuzzer writes corpus and crash files, but the mode is shared: "+
				"its tree is read-only and common to all runs; use isolated, or copy-on-write where targets are large", where, word)}}
		}
		return nil
	}
	if word, where := w.says(writingWords); word != "" {
		if w.Isolation == cordon.Shared {
			return []Advice{{Danger, fmt.Sprintf("the %s says %q, which sounds like changing files, but the mode is shared, "+
				"whose tree is read-only; use isolated or copy-on-write if the workflow writes into its workspace", where, word)}}
		}
		return nil
	}
	word, where := w.says(readingWords)
	if word == "" {
		if !w.IsolationSet {
			return []Advice{{Hint, "workspace_isolation is not set: the activity's argument holds, else isolated; " +
				"state it, and use shared if the workflow only reads"}}
		}
		return nil
	}
	switch {
	case w.Isolation == cordon.CopyOnWrite:
		return []Advice{{Hint, fmt.Sprintf("the %s says %q, which sounds like reading only: shared would spare the view of each run; "+
			"keep copy-on-write if the workflow writes into its workspace", where, word)}}
	case w.Isolation == cordon.Isolated:
		return []Advice{{Hint, fmt.Sprintf("the %s says %q, which sounds like reading only: with shared, runs of one target would "+
			"download it once instead of each time; keep isolated if the workflow writes into its workspace", where, word)}}
	}
	return nil
}

// says returns the first of the workflow's words that is in list, and where it stands.
func (w Workflow) says(list []string) (word, where string) {
	places := []struct{ where, text string }{
		{"name", w.Name},
		{"tag", strings.Join(w.Tags, " ")},
		{"vertical", w.Vertical},
		{"description", w.Description},
	}
	for _, p := range places {
		words := strings.FieldsFunc(strings.ToLower(p.text), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\''
		})
		for i, word := range words {
			if matches(word, list) && (i == 0 || !matches(words[i-1], negations)) {
				return word, p.where
			}
		}
	}
	return "", ""
}

func matches(word string, list []string) bool {
	for _, l := range list {
		if stem, ok := strings.CutSuffix(l, "*"); word == l || ok && strings.HasPrefix(word, stem) {
			return true
		}
	}
	return false
}
