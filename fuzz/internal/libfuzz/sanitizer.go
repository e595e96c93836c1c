package libfuzz

import (
	"os/exec"
	"path/filepath"
	"strings"
)

// NoSymbolizer is the note of a program whose sanitizers cannot name functions.
const NoSymbolizer = "There is no llvm-symbolizer on the worker: stacks have addresses instead of names. The Debian package llvm has it."

// Symbolizer returns the real path of the first of these programs that is in PATH,
// or "": sanitizers take llvm-symbolizer by no other name.
func Symbolizer(names ...string) string {
	for _, name := range names {
		s, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if s, err = filepath.EvalSymlinks(s); err == nil && strings.HasPrefix(filepath.Base(s), "llvm-symbolizer") {
			return s
		}
	}
	return ""
}

// SanitizerEnv is the environment in which the reports of sanitizers are complete.
// symbolizer may be "".
func SanitizerEnv(symbolizer string, more ...string) []string {
	options := append([]string{"symbolize=1", "print_stacktrace=1", "halt_on_error=1", "dedup_token_length=3"}, more...)
	if symbolizer != "" {
		options = append(options, "external_symbolizer_path="+symbolizer)
	}
	all := strings.Join(options, ":")
	var env []string
	for _, tool := range []string{"ASAN", "LSAN", "MSAN", "TSAN", "UBSAN"} {
		env = append(env, tool+"_OPTIONS="+all)
	}
	return env
}
