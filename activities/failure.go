package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

// errStopping is the cause of a lifetime that ended because the worker stops.
var errStopping = errors.New("this worker is stopping")

// errOvertaken is the cause of a lifetime that ended because the attempt ran out
// of time, while the run goes on and may try again.
var errOvertaken = fmt.Errorf("this attempt ran out of time: %w", context.DeadlineExceeded)

// ApplicationError turns err into what leaves an activity or a workflow
// (CONTRACT §1.3): an ApplicationError whose type is err's kind, retryable just
// if the kind is. A nil err stays nil.
//
// An error without a kind is one of the local disk: StorageUnavailable.
func ApplicationError(op string, err error) error {
	if err == nil {
		return nil
	}
	kind := cordon.KindOf(err)
	if kind == "" && wroteReadOnly(err) {
		kind = cordon.PermissionDenied
		err = &cordon.Error{Kind: kind, Op: op, Err: err,
			Fix: `the workspace is shared and nobody may write to it; a tool that writes into the tree it works on needs workspace_isolation: "copy-on-write" in its workflow's metadata.yaml`}
	}
	if kind == "" {
		kind = cordon.StorageUnavailable
		err = &cordon.Error{Kind: kind, Op: op, Err: err, Fix: "see the worker's log and the disk that its CACHE_DIR is on"}
	}
	return temporal.NewApplicationErrorWithOptions(message(err), string(kind), temporal.ApplicationErrorOptions{
		NonRetryable: !kind.Retryable(),
	})
}

// wroteReadOnly reports whether err, or what a tool printed into it, says that
// something wrote to a read-only mount, which a shared workspace is.
func wroteReadOnly(err error) bool {
	return errors.Is(err, unix.EROFS) || strings.Contains(strings.ToLower(err.Error()), unix.EROFS.Error())
}

// maxMessage bounds what an error says, in bytes: an argument or a path in it may be of any
// length, and what fails goes through the history too (CONTRACT §3).
const maxMessage = 2 << 10

// message is what err says. Bytes that are not UTF-8, from a path for example, are replaced: Temporal could
// not carry them, and the attempt would end by its timeout, without a type. Of a long message
// the middle is left out, for its end says what to do.
func message(err error) string {
	s := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if len(s) <= maxMessage {
		return s
	}
	const tail = maxMessage / 4
	return strings.ToValidUTF8(s[:maxMessage-tail], "") + " … " + strings.ToValidUTF8(s[len(s)-tail:], "")
}

// failure is ApplicationError for an activity that worked under ctx, whose end
// explains every error that came after it.
func failure(ctx context.Context, op string, err error) error {
	if err == nil || ctx.Err() == nil {
		return ApplicationError(op, err)
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, errStopping) || errors.Is(cause, errOvertaken) || errors.Is(cause, worker.ErrWorkerShutdown) {
		return ApplicationError(op, &cordon.Error{Kind: cordon.Busy, Op: op, Err: cause,
			Fix: "wait for the next attempt, which another worker may take"})
	}
	return ctx.Err()
}
