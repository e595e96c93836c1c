package crash

import (
	"strings"

	"github.com/cordonlabs/cordon/finding"
)

// severityOf says how bad a type is for who has the project process hostile input.
// Writing where nobody should, and using what was freed, is what attackers build
// on. Reading gives secrets away. What merely ends the process, or takes its time and
// memory, is a denial of service.
func severityOf(kind string) finding.Severity {
	switch {
	case strings.HasSuffix(kind, "-write") && kind != "null-dereference-write",
		strings.Contains(kind, "use-after"), strings.Contains(kind, "double-free"), strings.Contains(kind, "bad-free"),
		kind == "alloc-dealloc-mismatch", kind == "bad-cast", kind == "function-type-mismatch":
		return finding.Critical
	case strings.Contains(kind, "buffer-overflow"), strings.Contains(kind, "buffer-underflow"), strings.HasPrefix(kind, "segv"), kind == "bus-error", kind == "illegal-instruction",
		kind == "use-of-uninitialized-value", kind == "container-overflow-read", kind == "dynamic-stack-buffer-overflow", kind == "index-out-of-bounds", kind == "object-size",
		kind == "memcpy-param-overlap", kind == "negative-size-param", kind == "stack-overflow-write":
		return finding.High
	case kind == "leak", kind == "exit", kind == "unknown", kind == "killed", kind == "implicit-conversion", kind == "unsigned-integer-overflow":
		return finding.Low
	}
	return finding.Medium
}
