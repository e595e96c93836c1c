package admission

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"github.com/cordonlabs/cordon"
)

// Interceptor returns what lets each activity of a worker in, or hands it on. It belongs
// to every worker that has one of the tuners.
func (a *Admission) Interceptor() interceptor.WorkerInterceptor { return &door{a: a} }

type door struct {
	interceptor.WorkerInterceptorBase
	a *Admission
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (d *door) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &inbound{a: d.a}
	i.Next = next
	return i
}

type inbound struct {
	interceptor.ActivityInboundInterceptorBase
	a *Admission
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (i *inbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	if info.IsLocalActivity {
		return i.Next.ExecuteActivity(ctx, in)
	}
	leave, err := i.a.enter(ctx, info)
	if err != nil {
		return nil, err
	}
	defer leave()
	out, err := i.Next.ExecuteActivity(ctx, in)
	i.a.forgive(info, err)
	return out, i.a.passOn(info, err)
}

// errStopping is what an activity ends with that comes when the worker is about to go.
func errStopping(info activity.Info) error {
	return temporal.NewApplicationError(info.ActivityType.Name+": this worker is stopping; wait for the next attempt, which another worker may take", string(cordon.Busy))
}

// enter returns when the activity may begin, or with the error that it ends with instead.
func (a *Admission) enter(ctx context.Context, info activity.Info) (leave func(), err error) {
	if a.isStorage(info.ActivityType.Name) {
		err := a.waitFor(ctx, info, a.enterStorage)
		return a.leaveStorage, err
	}
	tool, need := info.WorkflowExecution.RunID+"/"+info.ActivityID, a.opts.Need(info)
	leave = func() { a.leaveTool(need) }
	why := a.enterTool(tool, need)
	if why.kind == fits {
		return leave, nil
	}
	if err := a.handOn(ctx, info, why.text); err != nil {
		return nil, err
	}
	a.park(1)
	defer a.park(-1)
	return leave, a.waitFor(ctx, info, func() bool { return a.enterTool(tool, need).kind == fits })
}

func (a *Admission) park(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.parked += n
	a.change()
}

// waitFor waits inside of the worker until enter succeeds. The attempt's clock runs, and
// its heartbeats say again what those before them said.
func (a *Admission) waitFor(ctx context.Context, info activity.Info, enter func() bool) error {
	var last converter.RawValue
	known := activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &last) == nil
	for beat := time.Now(); !enter(); {
		if time.Since(beat) >= tick {
			beat = time.Now()
			if known {
				activity.RecordHeartbeat(ctx, last)
			} else {
				activity.RecordHeartbeat(ctx)
			}
		}
		a.wait(ctx)
		select {
		case <-a.stopping:
			err := errStopping(info)
			a.forgive(info, err)
			return err
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
	}
	return nil
}

// forgive gives an activity back the attempt that a stopping worker has cost it.
func (a *Admission) forgive(info activity.Info, err error) {
	select {
	case <-a.stopping:
	default:
		return
	}
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.NonRetryable() || failed.Type() != string(cordon.Busy) || a.isUnable() || info.WorkflowExecution.ID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if err := a.uncount(ctx, info, info.TaskQueue); err != nil {
		a.unable(err)
	}
}
