package activities

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze/secrets"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/workspace"
)

// notRegistered is the type of the error for an activity that neither this worker nor
// its tool bridge knows.
const notRegistered = "ActivityNotRegistered"

// maxBridged bounds the result of a bridged activity, in bytes: what may cross the
// history (CONTRACT §3).
const maxBridged = 512 << 10

// RegisterBridge registers the tool bridge for the activities that have no name here,
// where one is configured.
//
// Without one no such activity is registered, and the SDK's own answer stays, which
// says the names that are known.
func (a *Activities) RegisterBridge(r worker.ActivityRegistry) {
	if len(a.bridge.Entries) > 0 {
		r.RegisterDynamicActivity(a.Bridge, activity.DynamicRegisterOptions{})
	}
}

// BridgeRequest is what a command of the tool bridge reads from its standard input: one
// JSON object.
type BridgeRequest struct {
	Activity string            `json:"activity"`
	Args     []json.RawMessage `json:"args"` // as the workflow gave them
	Info     BridgeInfo        `json:"info"`
}

// BridgeInfo says on whose behalf a command runs.
type BridgeInfo struct {
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	Attempt    int32  `json:"attempt"` // from 1
}

// Bridge is every activity that the tool bridge has an entry for: it runs the entry's
// command, confined as any tool is, and returns the JSON value that it prints, as it
// prints it: encoding it once more would make <, > and & six bytes each.
func (a *Activities) Bridge(ctx context.Context, values converter.EncodedValues) (converter.RawValue, error) {
	info := activity.GetInfo(ctx)
	name := info.ActivityType.Name
	e, ok := a.bridge.Lookup(name)
	if !ok {
		// It may be retried: on a queue of several workers the next attempt may meet the
		// one that knows the activity, as with the SDK's own error in this place.
		return null, temporal.NewApplicationErrorWithOptions(message(fmt.Errorf(
			"this worker does not know the activity %.200q, and its tool bridge %s has no entry for it (it has %.300s): add one, or start a worker on the queue %.200q that knows the activity",
			name, a.bridge.File, a.bridge.Names(), info.TaskQueue)), notRegistered, temporal.ApplicationErrorOptions{})
	}
	life, end := a.runs.begin(ctx)
	defer end()
	report, stop := heartbeat(life)
	defer stop()

	result, err := a.runBridged(life, info, e, values, report)
	if err != nil {
		a.caller(info).Warn("a command of the tool bridge failed", "error", err)
		return null, failure(life, name, err)
	}
	return rawJSON(result), nil
}

func (a *Activities) runBridged(ctx context.Context, info activity.Info, e metadata.Bridged, values converter.EncodedValues, report func(Progress)) (json.RawMessage, error) {
	name := info.ActivityType.Name
	if a.sandbox == nil {
		return nil, errors.New("this worker has nothing to confine tools with")
	}
	args, err := bridgedArguments(name, values)
	if err != nil {
		return nil, err
	}
	// An attempt that ran out of time may live beside its own retry for a moment, and
	// would write into the same workspace.
	done, err := a.alone(ctx, "bridge\x00"+info.WorkflowExecution.RunID+"\x00"+info.ActivityID)
	if err != nil {
		return nil, err
	}
	defer done()

	t := &toolRun{a: a, op: name, entry: &e, info: info, w: e.Workflow(name, a.bridge.File), report: report}
	watched := ctx
	var path string
	if e.Workspace != metadata.NoWorkspace {
		if path, err = a.bridgedWorkspace(ctx, info, e, args); err != nil {
			return nil, err
		}
		lease, err := a.cache.Use(ctx, path, workspace.Caller{Run: info.WorkflowExecution.RunID, Owner: a.runs.of(ctx, info).owner})
		if err != nil {
			return nil, err
		}
		defer lease.Release()
		t.hold = lease.File()
		var enough context.CancelFunc
		watched, enough = a.cache.Watch(ctx, path)
		defer enough()
	}
	scratch, err := t.prepareBridged(ctx, path)
	if err != nil {
		return nil, err
	}
	defer scratch.Release()
	watched, stop := t.watchOutput(watched)
	defer stop()
	stdin, err := json.Marshal(BridgeRequest{Activity: name, Args: args,
		Info: BridgeInfo{WorkflowID: info.WorkflowExecution.ID, RunID: info.WorkflowExecution.RunID, Attempt: info.Attempt}})
	if err != nil {
		return nil, err
	}
	result, err := t.runBridged(watched, stdin)
	if err != nil && watched.Err() != nil && ctx.Err() == nil {
		err = context.Cause(watched) // the workspace or the output is over its limit, whatever the tool made of that
	}
	return result, err
}

// prepareBridged makes what the command needs; path is the workspace, or "".
func (t *toolRun) prepareBridged(ctx context.Context, path string) (_ *workspace.Scratch, err error) {
	shared, file := false, false
	if path != "" {
		entry, err := t.a.cache.Find(path)
		if err != nil {
			return nil, err
		}
		st, err := os.Lstat(path)
		if err != nil {
			return nil, &cordon.Error{Op: t.op, Name: path, Err: err}
		}
		shared, file = entry.Mode == cordon.Shared, !st.IsDir()
	}
	t.readOnly = path != "" && !file && (shared || t.entry.Workspace == metadata.ReadOnly)
	if shared && t.entry.Workspace == metadata.Writable {
		return nil, t.bridgedReadOnly("it is to write into its workspace")
	}
	// In a workspace of its own the limit is for that above all: only a report's room is reserved.
	size := cmp.Or(t.w.Limits.Bytes, outputBytes)
	if path != "" && !t.readOnly && !file {
		size = min(size, outputBytes)
	}
	scratch, err := t.a.cache.Scratch(ctx, "what "+printable(t.op)+" writes", size, cmp.Or(t.w.Limits.Inodes, outputInodes))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			scratch.Release()
		}
	}()
	t.output = scratch.Dir()
	t.dir = path
	if path == "" || file { // beside a single file lie other runs' workspaces
		t.dir = t.output
	}
	scrub, err := secrets.NewScrubber()
	if err != nil {
		return nil, err
	}
	t.scrub = t.words(scrub)
	if err := t.plan(path, nil); err != nil {
		return nil, err
	}
	if file {
		t.command.Readable = append(t.command.Readable, path)
	}
	return scratch, nil
}

// runBridged runs the command and returns what it printed.
func (t *toolRun) runBridged(ctx context.Context, stdin []byte) (json.RawMessage, error) {
	t.stdout, t.stderr = &tail{}, &tail{line: t.stages()}
	result := &head{room: maxBridged}
	t.command.Stdin = bytes.NewReader(stdin)
	t.command.Stdout, t.command.Stderr = io.MultiWriter(t.stdout, result), t.stderr
	t.report(Progress{Stage: "running " + t.program})
	var err error
	if t.result, err = t.a.sandbox.Run(ctx, t.command); err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	if done, _ := t.w.Tool.ExitCodes.Done(t.result.ExitCode); t.result.Limit != "" || !done {
		return nil, t.failed(ctx)
	}
	text := bytes.TrimSpace(result.kept)
	switch {
	case result.dropped:
		return nil, t.wrong(fmt.Sprintf("its result has more than %s, which is what may cross a workflow's history", cordon.FormatBytes(maxBridged)),
			"let it return less, or store what is large and return where it is")
	case len(text) == 0:
		return json.RawMessage("null"), nil
	case !json.Valid(text) || !utf8.Valid(text):
		f := ToolFailure{Stdout: t.scrub.Scrub(t.stdout.String())}
		return nil, t.wrong("what it printed is not one JSON value"+quote(f), "let it print its result alone, and what people may read to standard error")
	}
	return text, nil
}

// failureKind says whether trying again what failed is of use.
func (t *toolRun) failureKind() cordon.Kind {
	if t.entry == nil || t.result.Signal == 0 && slices.Contains(t.entry.Final, t.result.ExitCode) {
		return cordon.InvalidArgument
	}
	return cordon.ToolFailed
}

// bridgedReadOnly is the error of a command that writes where it may not.
func (t *toolRun) bridgedReadOnly(what string) error {
	err := &cordon.Error{Kind: cordon.PermissionDenied, Op: "run", Name: printable(t.op),
		Err: fmt.Errorf("%s, which is read-only for it", what),
		Fix: fmt.Sprintf("say workspace: writable for it in %s; what it writes below {output} needs that not", t.w.File)}
	if t.entry.Workspace == metadata.Writable {
		err.Err = fmt.Errorf("%s, and the mode is shared, whose tree is read-only and common to all runs", what)
		err.Fix = "call get_target with workspace_isolation isolated, or copy-on-write where targets are large"
	}
	return err
}

// head keeps the beginning of what is written to it.
type head struct {
	room    int // bytes
	kept    []byte
	dropped bool // there was more
}

// Write implements io.Writer.
func (h *head) Write(b []byte) (int, error) {
	n := min(len(b), h.room-len(h.kept))
	h.kept = append(h.kept, b[:n]...)
	h.dropped = h.dropped || n < len(b)
	return len(b), nil
}
