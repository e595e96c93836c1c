package lab

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Exit codes, those of the cordon command.
const (
	ExitOK          = 0
	ExitBroke       = 1
	ExitUsage       = 2
	ExitInterrupted = 130
)

// List returns the names in s, which commas separate.
func List(s string) (all []string) {
	for n := range strings.SplitSeq(s, ",") {
		if n = strings.TrimSpace(n); n != "" {
			all = append(all, n)
		}
	}
	return all
}

// Other finds the first of names that is not known.
func Other(bad *string, names, known []string) bool {
	i := slices.IndexFunc(names, func(n string) bool { return !slices.Contains(known, n) })
	if i >= 0 {
		*bad = names[i]
	}
	return i >= 0
}

// CheckPatterns reports the first of patterns that is none.
func CheckPatterns(patterns []string) error {
	for _, p := range patterns {
		if _, err := filepath.Match(p, ""); err != nil {
			return fmt.Errorf("%q: %w", p, err)
		}
	}
	return nil
}

// Matches reports whether name matches one of patterns, which CheckPatterns
// found no fault with.
func Matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := filepath.Match(p, name)
		return ok
	})
}
