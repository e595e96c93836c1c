package cli

import (
	"context"
	"errors"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
)

// The exit codes (CONTRACT §8.11). Scripts rely on them; they never change.
const (
	ExitOK          = 0
	ExitFailure     = 1 // rejected input too
	ExitUsage       = 2 // bad ids, flags and variables too
	ExitNotFound    = 3
	ExitUnreachable = 4
	ExitBusy        = 5 // or held
	ExitFindings    = 6 // findings at or above --fail-on
	ExitNoSpace     = 7
	ExitInterrupted = 130 // 128 + SIGINT, as shells report it
)

// errInterrupted is the cause of a context that Ctrl-C or SIGTERM has ended.
var errInterrupted = errors.New("interrupted")

// usageError is a command line that cannot be understood.
type usageError struct {
	err     error
	command string // whose --help explains it
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// codeError gives an error an exit code other than the one of its kind. An
// error that was said already is nil inside, and only sets the code.
type codeError struct {
	err  error
	code int
}

func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *codeError) Unwrap() error { return e.err }

// rejected marks an input that was understood and refused: a failure, and not
// a misuse of the command line, although its kind is InvalidArgument.
func rejected(err error) error {
	if cordon.KindOf(err) == cordon.InvalidArgument {
		return &codeError{err, ExitFailure}
	}
	return err
}

// exitCode returns the code that a command which failed with err ends with.
func exitCode(ctx context.Context, err error) int {
	var coded *codeError
	var usage *usageError
	var unknown *metadata.UnknownWorkflowError
	switch {
	case err == nil:
		return ExitOK
	case context.Cause(ctx) == errInterrupted:
		return ExitInterrupted
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &usage):
		return ExitUsage
	case errors.As(err, &unknown):
		return ExitNotFound // a well-formed name of something that is not there, like a target's
	}
	switch cordon.KindOf(err) {
	case cordon.InvalidArgument:
		return ExitUsage
	case cordon.TargetNotFound:
		return ExitNotFound
	case cordon.StorageUnavailable:
		return ExitUnreachable
	case cordon.Busy:
		return ExitBusy
	case cordon.NoSpace:
		return ExitNoSpace
	}
	return ExitFailure
}
