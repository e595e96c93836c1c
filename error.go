package cordon

import (
	"errors"
	"strings"
)

// Kind is what went wrong, as callers in any language see it: the type of the
// ApplicationError that an activity fails with (CONTRACT §1.3). Once released a
// kind keeps its name and its retryability for ever.
type Kind string

// The kinds of error. The first seven are final: the same call fails the same
// way until somebody changes the input, the object or the configuration.
const (
	InvalidArgument   Kind = "InvalidArgument"
	TargetNotFound    Kind = "TargetNotFound"
	ArchiveRejected   Kind = "ArchiveRejected"
	IntegrityMismatch Kind = "IntegrityMismatch"
	PermissionDenied  Kind = "PermissionDenied"
	TargetTooLarge    Kind = "TargetTooLarge"

	// WorkspaceLost is a run's workspace that is not where an activity looks for it, and
	// that cannot be made anew without losing what was written into it (CONTRACT §8.7).
	// The same call fails again; the run's step, begun anew, does not.
	WorkspaceLost Kind = "WorkspaceLost"

	NoSpace            Kind = "NoSpace"
	StorageUnavailable Kind = "StorageUnavailable"
	Busy               Kind = "Busy"

	// ToolFailed is a command of the tool bridge that ended as a failure, as an
	// activity does that raises an error: how often it is tried again is up to its caller.
	ToolFailed Kind = "ToolFailed"
)

// Retryable reports whether the same call may succeed later without anybody
// changing anything. An unknown kind is retryable.
func (k Kind) Retryable() bool {
	switch k {
	case InvalidArgument, TargetNotFound, ArchiveRejected, IntegrityMismatch, PermissionDenied, TargetTooLarge, WorkspaceLost:
		return false
	}
	return true
}

// Error says what was asked (Op, Name), what was wrong (Err) and what to do
// about it (Fix). An Error that wraps another one adds its operation; the kind
// and the fix of the innermost one that has any are kept.
type Error struct {
	Kind Kind
	Op   string // "get target", "extract"
	Name string // what the operation was on: an id, a path; quoted by the maker where it may hold anything
	Err  error  // the cause
	Fix  string // one clause in the imperative, without a full stop
}

// Error renders "op name: cause; fix", without repeating what an inner Error says.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Name != "" {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.Name)
	}
	if e.Err != nil {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	if e.Fix != "" && FixOf(e.Err) == "" {
		b.WriteString("; ")
		b.WriteString(e.Fix)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost Error in err's chain that has one,
// or "" if there is none.
func KindOf(err error) Kind {
	for e := (*Error)(nil); errors.As(err, &e); err = e.Err {
		if e.Kind != "" {
			return e.Kind
		}
	}
	return ""
}

// FixOf returns the advice of the outermost Error in err's chain that gives any.
func FixOf(err error) string {
	for e := (*Error)(nil); errors.As(err, &e); err = e.Err {
		if e.Fix != "" {
			return e.Fix
		}
	}
	return ""
}
