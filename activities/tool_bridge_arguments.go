package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/workspace"
)

// bridgedArguments returns the arguments of an activity as JSON texts.
func bridgedArguments(name string, values converter.EncodedValues) ([]json.RawMessage, error) {
	args := []json.RawMessage{} // never null: a command loops over it
	counted, ok := values.(interface{ Payloads() *commonpb.Payloads })
	if !ok {
		return nil, errors.New("the SDK does not say how many arguments there are")
	}
	raws := make([]converter.RawValue, len(counted.Payloads().GetPayloads()))
	into := make([]any, len(raws))
	for i := range raws {
		into[i] = &raws[i]
	}
	if len(raws) > 0 {
		if err := values.Get(into...); err != nil {
			return nil, err
		}
	}
	for i, raw := range raws {
		text, err := arguments.JSON(raw)
		if err != nil {
			return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: printable(name), Err: fmt.Errorf("argument %d %w", i+1, err), Fix: "give arguments that are JSON"}
		}
		if text == nil {
			text = json.RawMessage("null")
		}
		args = append(args, text)
	}
	return args, nil
}

// bridgedWorkspace returns the path of the workspace that the arguments name: one that
// this cache has handed out, and that the calling run, or one that it works for, holds.
func (a *Activities) bridgedWorkspace(ctx context.Context, info activity.Info, e metadata.Bridged, args []json.RawMessage) (string, error) {
	name := printable(info.ActivityType.Name)
	wrong := func(path, what, fix string) error {
		if path != "" {
			path = fmt.Sprintf("%.200q", path)
		}
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: strings.TrimSpace(name + " " + path), Err: errors.New(what), Fix: fix}
	}
	path, found := workspaceArgument(e.Argument, args, a.cache.Dir())
	if !found {
		return "", wrong("", "none of its arguments is the path of a workspace"+describeArgument(e.Argument),
			"give the path that get_target returned, or say workspace: none, or which workspace_argument it is, in "+a.bridge.File)
	}
	if err := a.checkWorkspace(ctx, use{op: name, path: path, info: info, writes: e.Workspace == metadata.Writable}); err != nil {
		return "", err
	}
	const fix = "give the path that get_target returned to this run"
	entry, err := a.cache.Find(path)
	switch {
	case cordon.KindOf(err) == cordon.TargetNotFound || cordon.KindOf(err) == cordon.InvalidArgument:
		return "", wrong(path, "is no workspace of this cache", fix)
	case err != nil:
		return "", err
	case entry.Path != path || entry.Kind == workspace.KindBase:
		return "", wrong(path, "is no workspace", fix)
	case !a.holds(ctx, info, entry):
		return "", wrong(path, "is not held by this run", fix)
	}
	return path, nil
}

// holds reports whether the calling run holds an entry, or the run that started it,
// or another of its chain.
func (a *Activities) holds(ctx context.Context, info activity.Info, e workspace.Entry) bool {
	run := a.runs.of(ctx, info)
	ids := []string{info.WorkflowExecution.RunID, run.parent.RunID, run.root.RunID}
	return slices.ContainsFunc(e.Holders, func(h workspace.Holder) bool {
		return h.Owner.RunID != "" && slices.Contains(ids, h.Owner.RunID) || h.Run != "" && h.Run == info.WorkflowExecution.RunID ||
			h.Owner.FirstRunID != "" && h.Owner.FirstRunID == run.owner.FirstRunID
	})
}

// workspaceArgument returns the argument that is to be the workspace. Where nobody
// says which, it is the first text below the cache directory dir, among the arguments
// and the values of those that are objects.
func workspaceArgument(which metadata.Argument, args []json.RawMessage, dir string) (path string, found bool) {
	if which.Position > 0 {
		args = args[min(which.Position-1, len(args)):min(which.Position, len(args))]
	}
	for _, arg := range args {
		for _, v := range textsOf(arg) {
			switch {
			case which.Key != "" && v.key == which.Key, which.Position > 0 && v.key == "":
				return v.text, true
			case which == metadata.Argument{} && strings.HasPrefix(v.text, dir+"/"):
				return v.text, true
			}
		}
	}
	return "", false
}

func describeArgument(which metadata.Argument) string {
	switch {
	case which.Position > 0:
		return fmt.Sprintf(": the one at position %d is no text", which.Position)
	case which.Key != "":
		return fmt.Sprintf(": there is no text with the key %q", which.Key)
	}
	return ""
}

// keyed is a text in an argument: the argument itself, or the value of one of its keys.
type keyed struct{ key, text string }

// textsOf returns the texts of an argument, in their order.
func textsOf(arg json.RawMessage) (out []keyed) {
	add := func(key string, v json.RawMessage) {
		var s string
		if len(v) > 0 && v[0] == '"' && json.Unmarshal(v, &s) == nil {
			out = append(out, keyed{key, s})
		}
	}
	if len(arg) == 0 || arg[0] != '{' {
		add("", arg)
		return out
	}
	dec := json.NewDecoder(bytes.NewReader(arg))
	_, err := dec.Token()
	for err == nil && dec.More() {
		var key json.Token
		var v json.RawMessage
		if key, err = dec.Token(); err == nil {
			err = dec.Decode(&v)
		}
		if name, ok := key.(string); ok && err == nil {
			add(name, bytes.TrimSpace(v))
		}
	}
	return out
}
