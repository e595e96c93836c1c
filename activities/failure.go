package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

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
	if kind == "" {
		kind = cordon.StorageUnavailable
		err = &cordon.Error{Kind: kind, Op: op, Err: err, Fix: "see the worker's log and the disk that its CACHE_DIR is on"}
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), string(kind), temporal.ApplicationErrorOptions{
		NonRetryable: !kind.Retryable(),
	})
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
