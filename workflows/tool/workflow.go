// Package tool is the workflow of every metadata.yaml that has run: it fetches the
// target, runs the program that the file names, confined, reports what that found,
// and cleans up. It is registered once for each of them, under its class.
package tool

import (
	"encoding/json"
	"errors"
	"reflect"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/workflows/flow"
)

// attemptTimeout is when an attempt to run a tool is given up that does not say a
// word any more. How long the tool may take is decided where its metadata is read
// (limits.time), so that editing the file is enough; a host that dies is noticed by
// its heartbeats.
const attemptTimeout = metadata.MaxTime + time.Hour

// Workflow is the code: a function of the target id and as many parameters as a
// workflow may have, all of which but the first may be missing. What each of them
// is, the metadata says.
var Workflow = reflect.MakeFunc(reflect.FuncOf(
	append([]reflect.Type{reflect.TypeFor[workflow.Context]()}, raws()...),
	[]reflect.Type{reflect.TypeFor[activities.Result](), reflect.TypeFor[error]()}, false,
), call).Interface()

func raws() []reflect.Type {
	out := make([]reflect.Type, 1+metadata.MaxToolParameters)
	for i := range out {
		out[i] = reflect.TypeFor[converter.RawValue]()
	}
	return out
}

func call(in []reflect.Value) []reflect.Value {
	args := make([]converter.RawValue, len(in)-1)
	for i, v := range in[1:] {
		args[i] = v.Interface().(converter.RawValue)
	}
	result, err := run(in[0].Interface().(workflow.Context), args)
	failure := reflect.Zero(reflect.TypeFor[error]())
	if err != nil {
		failure = reflect.ValueOf(err)
	}
	return []reflect.Value{reflect.ValueOf(result), failure}
}

func run(ctx workflow.Context, raws []converter.RawValue) (activities.Result, error) {
	target, given, err := decode(workflow.GetInfo(ctx).WorkflowType.Name, raws)
	if err != nil {
		return activities.Result{}, activities.ApplicationError("start workflow", err)
	}
	return flow.Run(ctx, target, flow.Definition{Tools: []flow.Tool{{
		Name:    activities.RunToolName,
		Timeout: attemptTimeout,
		Request: func(path string) any { return activities.RunToolRequest{Path: path, Arguments: given} },
	}}})
}

// decode reads the target id, and the other arguments up to the last one that is given.
func decode(class string, raws []converter.RawValue) (target cordon.TargetID, given []json.RawMessage, err error) {
	args, err := arguments.Decode(arguments.Signature{
		Op: class, Names: []string{"target_id"}, Usage: "start it with target_id (string) and its parameters, in the order of its metadata",
	}, raws[0])
	if err != nil {
		return target, nil, err
	}
	id, err := args.Text("target_id")
	if err != nil {
		return target, nil, err
	}
	if target, err = cordon.ParseTargetID(id); err != nil {
		return target, nil, err
	}
	for i, raw := range raws[1:] {
		text, err := arguments.JSON(raw)
		if err != nil {
			return target, nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: class, Err: errors.New("an argument after target_id cannot be read: it " + err.Error())}
		}
		if text == nil {
			continue
		}
		for len(given) < i {
			given = append(given, json.RawMessage("null"))
		}
		given = append(given, text)
	}
	return target, given, nil
}
