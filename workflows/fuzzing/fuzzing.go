// Package fuzzing is what the workflows of the fuzzing engines have in common. Each
// takes a target id, the name of a harness, how much to fuzz, and what only its
// engine has.
package fuzzing

import (
	"cmp"
	"fmt"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/workflows/flow"
)

// Workflow is one engine's.
type Workflow struct {
	Name    string // as in its metadata
	Engine  string
	Harness string // what the parameter is called that names a harness
	// MaxIterations is the default of max_iterations; 0 is no limit.
	MaxIterations int64
	// Sanitizer is the default of the parameter sanitizer; "" where there is no such
	// parameter.
	Sanitizer string
}

// defaultTimeout is the default of timeout_seconds (CONTRACT §3).
const defaultTimeout = 1800

// What an attempt may take beyond the time of fuzzing: builds of large projects from
// source, and looking into crashes.
const overhead = 2 * time.Hour

// unlimited bounds a campaign that has a number of iterations and no time.
const unlimited = 30 * 24 * time.Hour

// attempts is how often a run_fuzzer is tried that loses its worker. Each goes on
// where the one before it ended.
const attempts = 10

// Run is the workflow's code. raws are its arguments: target_id, the harness,
// max_iterations, timeout_seconds and, where the engine has one, sanitizer; all but
// the first may be missing.
func (w Workflow) Run(ctx workflow.Context, raws ...converter.RawValue) (activities.Result, error) {
	target, request, err := w.decode(raws)
	if err != nil {
		return activities.Result{}, activities.ApplicationError(w.Name, err)
	}
	timeout := unlimited
	if request.TimeoutSeconds > 0 {
		timeout = time.Duration(request.TimeoutSeconds) * time.Second
	}
	return flow.Run(ctx, target, flow.Definition{
		Tools: []flow.Tool{{
			Name:     activities.RunFuzzerName,
			Timeout:  timeout + overhead,
			Attempts: attempts,
			Request: func(path string) any {
				request.Path = path
				return request
			},
		}},
	})
}

func (w Workflow) decode(raws []converter.RawValue) (target cordon.TargetID, request activities.FuzzRequest, err error) {
	sig := arguments.Signature{
		Op:    w.Name,
		Names: []string{"target_id", w.Harness, "max_iterations", "timeout_seconds"},
		Usage: fmt.Sprintf("start it with target_id (string), %s (string), max_iterations (number), timeout_seconds (number)", w.Harness),
	}
	if w.Sanitizer != "" {
		sig.Names = append(sig.Names, "sanitizer")
		sig.Usage += ", sanitizer (string)"
	}
	args, err := arguments.Decode(sig, raws...)
	if err != nil {
		return target, request, err
	}
	id, err1 := args.Text("target_id")
	harness, err2 := args.Text(w.Harness)
	iterations, err3 := args.Count("max_iterations", w.MaxIterations)
	timeout, err4 := args.Count("timeout_seconds", defaultTimeout)
	sanitizer := ""
	var err5 error
	if w.Sanitizer != "" {
		sanitizer, err5 = args.Text("sanitizer")
		sanitizer = cmp.Or(sanitizer, w.Sanitizer)
	}
	if err := cmp.Or(err1, err2, err3, err4, err5); err != nil {
		return target, request, err
	}
	if iterations == 0 && timeout == 0 {
		return target, request, args.Wrong("timeout_seconds", "is 0, and so is max_iterations: the fuzzer would never end")
	}
	if timeout > maxTimeout {
		return target, request, args.Wrong("timeout_seconds", "is more than 30 days")
	}
	target, err = cordon.ParseTargetID(id)
	return target, activities.FuzzRequest{TargetID: id, Engine: w.Engine, Harness: harness, MaxIterations: iterations, TimeoutSeconds: timeout, Sanitizer: sanitizer}, err
}

const maxTimeout = int64(unlimited / time.Second)
