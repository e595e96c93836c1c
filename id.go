package cordon

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxIDBytes is the longest id that is accepted. A path component may have 255
// bytes on every file system that Cordon supports; the rest is room for the
// suffixes of temporary names.
const MaxIDBytes = 200

// TargetID names an uploaded target. It is a legal single path component and
// is never one of the names that the cache's own layout uses (CONTRACT §1.2).
type TargetID struct{ s string }

// RunID names one execution of a workflow. The same rules hold as for TargetID.
type RunID struct{ s string }

// ParseTargetID checks s and returns it as an id, or an InvalidArgument error.
func ParseTargetID(s string) (TargetID, error) {
	if err := checkID("target_id", s); err != nil {
		return TargetID{}, err
	}
	return TargetID{s}, nil
}

// ParseRunID checks s and returns it as an id, or an InvalidArgument error.
func ParseRunID(s string) (RunID, error) {
	if err := checkID("run_id", s); err != nil {
		return RunID{}, err
	}
	return RunID{s}, nil
}

func (id TargetID) String() string { return id.s }
func (id RunID) String() string    { return id.s }

// IsZero reports whether id was never parsed.
func (id TargetID) IsZero() bool { return id.s == "" }

// IsZero reports whether id was never parsed.
func (id RunID) IsZero() bool { return id.s == "" }

// MarshalText implements encoding.TextMarshaler.
func (id TargetID) MarshalText() ([]byte, error) { return []byte(id.s), nil }

// MarshalText implements encoding.TextMarshaler.
func (id RunID) MarshalText() ([]byte, error) { return []byte(id.s), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it refuses what ParseTargetID refuses.
func (id *TargetID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseTargetID(string(b))
	return err
}

// UnmarshalText implements encoding.TextUnmarshaler; it refuses what ParseRunID refuses.
func (id *RunID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseRunID(string(b))
	return err
}

// checkID applies the id rules of CONTRACT §1.2 and §8.10. Ids are compared
// byte by byte; no normalisation happens anywhere.
func checkID(arg, s string) error {
	var wrong string
	switch {
	case s == "":
		wrong = "is empty"
	case len(s) > MaxIDBytes:
		wrong = fmt.Sprintf("has %d bytes; at most %d are allowed", len(s), MaxIDBytes)
	case !utf8.ValidString(s):
		wrong = "is not valid UTF-8"
	case s[0] == '.':
		wrong = "begins with a dot"
	case strings.ContainsAny(s, `/\`):
		wrong = "contains a path separator"
	case strings.ContainsFunc(s, unicode.IsControl):
		wrong = "contains a control character"
	case s == "shared" || s == "workspace" || s == "target":
		wrong = "is a name that the cache's own layout uses"
	default:
		return nil
	}
	shown := s
	if len(shown) > 60 {
		shown = strings.ToValidUTF8(shown[:60], "") + "…"
	}
	return &Error{
		Kind: InvalidArgument,
		Op:   "check " + arg,
		Name: fmt.Sprintf("%q", shown),
		Err:  fmt.Errorf("%s %s", arg, wrong),
		Fix:  "use a single path component of 1 to 200 bytes of UTF-8, without '/' or '\\', not beginning with '.', and not shared, workspace or target",
	}
}
