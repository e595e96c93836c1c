package traces

import (
	"context"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// headerKey is where all of Temporal's SDKs pass a trace on.
const headerKey = "_tracer-data"

// tracer makes the spans of Temporal's own interceptor, which knows when to: of clients
// that start something, and of workers that run workflows and activities.
type tracer struct {
	interceptor.BaseTracer
	t *Traces
}

// Options implements interceptor.Tracer. Queries are people who look. A header that
// cannot be read must not fail what it came with.
func (tracer) Options() interceptor.TracerOptions {
	return interceptor.TracerOptions{SpanContextKey: spanKey{}, HeaderKey: headerKey, DisableQueryTracing: true, AllowInvalidParentSpans: true}
}

// UnmarshalSpan implements interceptor.Tracer.
func (tracer) UnmarshalSpan(m map[string]string) (interceptor.TracerSpanRef, error) {
	if p := passedOn(m); p != nil {
		return p, nil
	}
	return nil, nil
}

// MarshalSpan implements interceptor.Tracer.
func (tracer) MarshalSpan(s interceptor.TracerSpan) (map[string]string, error) {
	return s.(*span).at.passOn(), nil
}

// SpanFromContext implements interceptor.Tracer.
func (tracer) SpanFromContext(ctx context.Context) interceptor.TracerSpan {
	if s := spanOf(ctx); s != nil {
		return s
	}
	return nil
}

// ContextWithSpan implements interceptor.Tracer.
func (tracer) ContextWithSpan(ctx context.Context, s interceptor.TracerSpan) context.Context {
	return context.WithValue(ctx, spanKey{}, s)
}

// StartSpan implements interceptor.Tracer.
func (tr tracer) StartSpan(o *interceptor.TracerStartSpanOptions) (interceptor.TracerSpan, error) {
	var parent *place
	switch p := o.Parent.(type) {
	case *span:
		parent = &p.at
	case *place:
		parent = p
	}
	kind := serving
	if o.ToHeader {
		kind = calling
	}
	s := tr.t.start(parent, tr.SpanName(o), kind, o.Time, o.IdempotencyKey)
	s.replayed = o.Operation == "RunWorkflow" || o.Operation == "HandleUpdate"
	for name, value := range o.Tags {
		s.say(text(name, value))
	}
	return s, nil
}

// Finish implements interceptor.TracerSpan. It is called too where the coroutine of a
// workflow ends because the workflow leaves this worker's memory: that is no end.
func (s *span) Finish(o *interceptor.TracerFinishSpanOptions) {
	if !s.replayed || s.ended {
		s.end(o.Error)
	}
}

// intercepts is Temporal's interceptor, beneath which somebody sees workflows end.
type intercepts struct{ interceptor.Interceptor }

// InterceptWorkflow implements interceptor.WorkerInterceptor.
func (i *intercepts) InterceptWorkflow(ctx workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	w := &witness{}
	w.Next = next
	return i.Interceptor.InterceptWorkflow(ctx, w)
}

type witness struct {
	interceptor.WorkflowInboundInterceptorBase
}

// ExecuteWorkflow implements interceptor.WorkflowInboundInterceptor.
func (w *witness) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	out, err := w.Next.ExecuteWorkflow(ctx, in)
	saw(ctx)
	return out, err
}

// ExecuteUpdate implements interceptor.WorkflowInboundInterceptor.
func (w *witness) ExecuteUpdate(ctx workflow.Context, in *interceptor.UpdateInput) (any, error) {
	out, err := w.Next.ExecuteUpdate(ctx, in)
	saw(ctx)
	return out, err
}

// saw notes that what ctx's span is of has come to its end, unless it did so before and is
// only replayed.
func saw(ctx workflow.Context) {
	if s, ok := ctx.Value(spanKey{}).(*span); ok && !workflow.IsReplaying(ctx) {
		s.ended = true
	}
}
