package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
)

// A lifetime is the context that an activity works under. The SDK's own one is
// cancelled for reasons that mean opposite things, so it cannot be handed to
// the engine, which lets a fetch go on after a deadline and stops it after a
// cancellation (CONTRACT §1.6):
//
//	what happened                                   Err of the lifetime
//	the run cancelled the activity, or is closed    Canceled
//	the worker stops (at once, not after its grace) Canceled
//	the attempt's deadline has passed, or the       DeadlineExceeded
//	server gave the attempt up while the run goes on
//	a heartbeat did not get through                 none: the work goes on
type lifetime struct {
	context.Context               // carries the values and, for context.Cause, the cause
	done            chan struct{} // not the embedded context's, so that children ask Err here
}

// Done implements context.Context.
func (l *lifetime) Done() <-chan struct{} { return l.done }

// Err implements context.Context.
func (l *lifetime) Err() error {
	select {
	case <-l.done:
	default:
		return nil
	}
	if errors.Is(context.Cause(l.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// recheckInterval is how often a lifetime asks the server whether its attempt
// is still wanted, once the SDK has stopped listening to heartbeats: it is the
// interval at which heartbeats are sent (CONTRACT §1.6).
const recheckInterval = 2 * time.Second

// begin starts the lifetime of the activity whose context ctx is. The caller
// calls end when the work is over.
func (r *runs) begin(ctx context.Context) (life context.Context, end func()) {
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	l := &lifetime{Context: inner, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		cancel(r.ending(ctx, inner))
	}()
	return l, func() { cancel(context.Canceled) }
}

// ending waits for the end of the attempt whose context is ctx and returns why
// it ended; it returns early when inner is done.
func (r *runs) ending(ctx, inner context.Context) error {
	door := doorOf(ctx)
	select {
	case <-inner.Done():
		return nil
	case <-r.stopping:
		return errStopping
	case <-r.sdkStops(door):
		return errStopping
	case <-ctx.Done():
	}
	if ctx.Err() == context.DeadlineExceeded {
		return errOvertaken
	}
	var (
		cause     = context.Cause(ctx)
		notFound  *serviceerror.NotFound
		noSpace   *serviceerror.NamespaceNotFound
		notActive *serviceerror.NamespaceNotActive
	)
	switch {
	case errors.Is(cause, worker.ErrWorkerShutdown):
		return errStopping
	case temporal.IsCanceledError(cause), errors.Is(cause, context.Canceled),
		errors.Is(cause, activity.ErrActivityPaused), errors.Is(cause, activity.ErrActivityReset):
		return context.Canceled
	case errors.As(cause, &notFound), errors.As(cause, &noSpace), errors.As(cause, &notActive):
		if err := r.unwanted(inner, door.info); err != nil {
			return err
		}
		return errOvertaken
	}
	return r.watch(door, inner)
}

// sdkStops is closed when the worker stops, where it is the SDK that says so.
func (r *runs) sdkStops(door door) <-chan struct{} {
	if r.drains {
		return nil
	}
	return door.stopping
}

// watch does what the SDK no longer does after a heartbeat that failed to reach
// the server: it finds out whether the attempt is still wanted.
func (r *runs) watch(door door, inner context.Context) error {
	inner, cancel := context.WithDeadline(inner, door.info.Deadline)
	defer cancel()
	tick := time.NewTicker(recheckInterval)
	defer tick.Stop()
	for {
		select {
		case <-inner.Done():
			return errOvertaken
		case <-r.stopping:
			return errStopping
		case <-r.sdkStops(door):
			return errStopping
		case <-tick.C:
			if err := r.unwanted(inner, door.info); err != nil {
				return err
			}
		}
	}
}
