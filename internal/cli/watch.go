package cli

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/workflows"
)

// watchEvery is how often a run is asked how far it is.
const watchEvery = 500 * time.Millisecond

// tellEvery is how often a fuzzer's progress is printed where there is no terminal.
const tellEvery = 15 * time.Second

// watchSteps shows the step that a run is at, until stop is called: a live line
// on a terminal; elsewhere a line for each step.
func (a *app) watchSteps(ctx context.Context, c client.Client, workflowID string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		shown := 0
		var told time.Time // when a line said how far a long step is
		for tick := time.NewTicker(watchEvery); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			p, err := workflows.Watch(ctx, c, workflowID, "")
			if err != nil || p.Step == "" {
				continue // it shows in the run's own end, if it is one
			}
			a.redraw(a.stepLine(p))
			if !a.errTTY && p.Index > shown {
				a.say("step     %d of %d: %s", p.Index, p.Of, plain(p.Step))
				shown, told = p.Index, a.now()
			}
			if !a.errTTY && p.Unit == activities.Executions && a.now().Sub(told) >= tellEvery {
				a.say("         %s", plain(p.Detail))
				told = a.now()
			}
		}
	}()
	return func() { cancel(); <-ended; a.redraw("") }
}

// stepLine renders a step as the live line shows it.
func (a *app) stepLine(p workflows.Progress) string {
	line := fmt.Sprintf("%s %s", a.paintErr(blue, fmt.Sprintf("[%d/%d]", p.Index, p.Of)), plain(p.Step))
	if !p.Started.IsZero() {
		line += "  " + short(a.now().Sub(p.Started))
	}
	amount := func(n int64) string {
		if p.Unit == "bytes" {
			return bytesOf(n)
		}
		return thousands(int(n))
	}
	switch {
	case p.Total > 0:
		share := min(float64(p.Done)/float64(p.Total), 1)
		line += fmt.Sprintf("  %s %3.0f%%  %s of %s", a.paintErr(blue, drawBar(share)), share*100, amount(p.Done), amount(p.Total))
		if p.Unit != "bytes" {
			line += " " + plain(p.Unit)
		}
	case p.Unit == activities.Executions: // a fuzzer says that itself
	case p.Done > 0:
		line += "  " + amount(p.Done)
	}
	if p.Detail != "" {
		line += "  " + a.paintErr(dim, plain(p.Detail))
	}
	return line
}
