package traces

import (
	"context"
	"time"

	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/workspace"
)

// Names of attributes. Those that begin with temporal are the names that Temporal's SDKs
// give the same.
const (
	attrTarget    = "cordon.target_id"
	attrRun       = "cordon.run_id"
	attrWorkflow  = "temporalWorkflowID"
	attrMode      = "cordon.mode"
	attrDriver    = "cordon.driver"
	attrPath      = "cordon.path"
	attrHit       = "cordon.hit"
	attrBytes     = "cordon.bytes"
	attrOutcome   = "cordon.outcome"
	attrCancelled = "cordon.cancelled"
	attrTier      = "cordon.tier"
	attrExit      = "cordon.exit_code"
	attrSignal    = "cordon.signal"
	attrLimit     = "cordon.limit"
	attrCPU       = "cordon.cpu_ms"
)

// observer is a workspace.Observer.
type observer struct{ t *Traces }

// Observer returns what a cache tells its spans to, or nil.
func (t *Traces) Observer() workspace.Observer {
	if t == nil {
		return nil
	}
	return observer{t}
}

// Begin implements workspace.Observer.
func (o observer) Begin(ctx context.Context, w workspace.Work) (context.Context, func(workspace.Done)) {
	s := o.t.start(within(ctx), "cordon."+string(w.Kind), internal, time.Now(), "")
	s.say(text(attrTarget, w.Target.String()), text(attrRun, w.Run), text(attrWorkflow, w.Workflow), text(attrMode, string(w.Mode)),
		text(attrDriver, w.Driver), text(attrPath, w.Path))
	return context.WithValue(ctx, spanKey{}, s), func(d workspace.Done) {
		if w.Kind == workspace.WorkGet && d.Err == nil {
			s.say(yes(attrHit, d.Hit), text(attrDriver, d.Driver))
		}
		s.say(number(attrBytes, d.Bytes), text(attrOutcome, string(d.Outcome)))
		s.end(d.Err)
	}
}

// Arrived implements workspace.Observer. The download's span has the sum.
func (observer) Arrived(int64) {}

// Gone implements workspace.Observer. Who removed what is in the log and in the journal.
func (observer) Gone(workspace.Gone) {}

// Command tells of a command that runs confined; it is for sandbox.Options. How it exits
// is its own business: scanners do so with 1 where they find something.
func (t *Traces) Command(ctx context.Context, tier sandbox.Tier) (ended func(sandbox.Result)) {
	s := t.start(within(ctx), "cordon.command", internal, time.Now(), "")
	s.say(text(attrTier, string(tier)))
	return func(r sandbox.Result) {
		s.say(number(attrExit, int64(r.ExitCode)), number(attrCPU, r.CPU.Milliseconds()), text(attrLimit, r.Limit))
		if r.Signal != 0 {
			s.say(number(attrSignal, int64(r.Signal)))
		}
		s.end(nil)
	}
}
