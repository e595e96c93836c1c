package libfuzz

import (
	"regexp"
	"strings"

	"github.com/cordonlabs/cordon/fuzz"
)

var (
	summary    = regexp.MustCompile(`(?m)^SUMMARY: (\S+: \S.*)$`)
	column     = regexp.MustCompile(`(:\d+):\d+\b`)
	panicked   = regexp.MustCompile(`(?m)^thread '.*' .*panicked at (\S.*)$`)
	assertion  = regexp.MustCompile(`(?m): Assertion .* failed`)
	pythonFile = regexp.MustCompile(`(?m)^  File (".*", line \d+, in .*)$`)
	pythonType = regexp.MustCompile(`(?m)^ === Uncaught Python exception: ===\n([\w.]+)`)
	frame      = regexp.MustCompile(`(?m)^\s+#\d+ 0x[0-9a-f]+ in (.+?)(?: /| \(|$)`)
	inside     = regexp.MustCompile(`^(fuzzer::|__sanitizer|__interceptor|__asan|__ubsan|__pthread|pthread_|raise$|gsignal$|abort$|__assert|std::|core::|alloc::|rust_|__rust|libfuzzer_sys|__GI_)`)
)

// signature is what two crashes have in common that happen in the same way: the
// kind, and the place in the project as far as the report names it.
func signature(r fuzz.Reproduction) string {
	parts := []string{string(r.Kind)}
	add := func(re *regexp.Regexp) bool {
		m := re.FindStringSubmatch(r.Log)
		if m == nil {
			return false
		}
		parts = append(parts, column.ReplaceAllString(m[len(m)-1], "$1"))
		return true
	}
	placed := add(panicked)
	placed = add(assertion) || placed
	if add(pythonType) {
		if all := pythonFile.FindAllStringSubmatch(r.Log, -1); len(all) > 0 {
			parts, placed = append(parts, all[len(all)-1][1]), true
		}
	}
	if m := summary.FindStringSubmatch(r.Log); m != nil && !strings.HasPrefix(m[1], "libFuzzer: ") {
		parts = append(parts, column.ReplaceAllString(m[1], "$1"))
		placed = true
	}
	// A signal without any of these: the innermost function of the project. An input
	// that hangs does so anywhere, and memory runs out anywhere.
	if !placed && r.Kind == fuzz.FoundCrash {
		for _, m := range frame.FindAllStringSubmatch(r.Log, -1) {
			if !inside.MatchString(m[1]) {
				parts = append(parts, m[1])
				break
			}
		}
	}
	return strings.Join(parts, "\n")
}

func leaks(log string) bool { return strings.Contains(log, "ERROR: LeakSanitizer: ") }
