package finding

import (
	"fmt"
	"strings"

	"github.com/cordonlabs/cordon"
)

// Severity says how bad a finding is, spelled as results spell it (CONTRACT §3).
type Severity string

// The severities, from the least to the worst.
const (
	Info     Severity = "info"
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Severities lists the severities, worst first: the order of tables and results.
var Severities = []Severity{Critical, High, Medium, Low, Info}

// ParseSeverity reads a severity in any case, as --fail-on takes it. Anything
// that is not one is an InvalidArgument error.
func ParseSeverity(s string) (Severity, error) {
	v := Severity(strings.ToLower(strings.TrimSpace(s)))
	if v.rank() > 0 {
		return v, nil
	}
	return "", &cordon.Error{
		Kind: cordon.InvalidArgument,
		Op:   "check severity",
		Name: fmt.Sprintf("%q", clip(s, 40)),
		Err:  fmt.Errorf("not a known severity"),
		Fix:  "use info, low, medium, high or critical",
	}
}

// AtLeast reports whether s is as bad as floor or worse. A severity that is none
// is at least nothing.
func (s Severity) AtLeast(floor Severity) bool {
	return s.rank() > 0 && s.rank() >= floor.rank()
}

// UnmarshalText implements encoding.TextUnmarshaler; it refuses what ParseSeverity refuses.
func (s *Severity) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSeverity(string(b))
	return err
}

func (s Severity) rank() int {
	switch s {
	case Info:
		return 1
	case Low:
		return 2
	case Medium:
		return 3
	case High:
		return 4
	case Critical:
		return 5
	}
	return 0
}

// clip shortens s to at most n bytes of valid UTF-8, for error messages.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
