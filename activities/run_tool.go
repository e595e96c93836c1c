package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/analyze/secrets"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/workspace"
)

// Sandbox runs tools confined; *sandbox.Sandbox is one.
type Sandbox interface {
	// Run runs a command to its end. That it fails, or is killed for a limit or
	// because ctx is done, is no error.
	Run(ctx context.Context, c sandbox.Command) (sandbox.Result, error)
	// Report says how well it confines.
	Report() sandbox.Report
}

// RunToolRequest is the argument of run_tool. What is run is not in it: that is said
// by the calling workflow's metadata alone.
type RunToolRequest struct {
	Path string `json:"path"` // a workspace that get_target returned

	// Arguments are the workflow's, after the target id, in the order of the
	// metadata's parameters.
	Arguments []json.RawMessage `json:"arguments"`
}

// What a tool's output directory may take where limits.bytes and limits.inodes do not
// say: reports are small, and this is reserved of the cache.
const (
	outputBytes  = 256 * cordon.MB
	outputInodes = 10_000
)

// RunTool is run_tool: it runs the tool of the calling workflow's metadata on the
// workspace, confined, and returns what that found and left.
func (a *Activities) RunTool(ctx context.Context, argument converter.RawValue) (Part, error) {
	req, err := request[RunToolRequest](RunToolName, argument)
	if err != nil {
		return Part{}, err
	}
	life, end := a.runs.begin(ctx)
	defer end()
	report, stop := heartbeat(life)
	defer stop()

	info := activity.GetInfo(ctx)
	part, err := a.runProgram(life, info, req, report)
	if err != nil {
		a.callerOn(info, req.Path).Warn(RunToolName+" failed", "path", req.Path, "error", err)
	}
	return part, failure(life, RunToolName, err)
}

func (a *Activities) runProgram(ctx context.Context, info activity.Info, req RunToolRequest, report func(Progress)) (Part, error) {
	if err := a.checkWorkspace(ctx, use{op: RunToolName, path: req.Path, info: info, writes: true}); err != nil {
		return Part{}, err
	}
	w, err := a.toolOf(info)
	if err != nil {
		return Part{}, err
	}
	by := workspace.Caller{Run: info.WorkflowExecution.RunID, Owner: a.runs.of(ctx, info).owner}
	lease, err := a.cache.Use(ctx, req.Path, by)
	if err != nil {
		return Part{}, err
	}
	defer lease.Release()
	t := &toolRun{a: a, op: RunToolName, info: info, w: w, hold: lease.File(), report: report}
	done, err := t.prepare(ctx, req)
	if err != nil {
		return Part{}, err
	}
	defer done()
	watched, enough := a.cache.Watch(ctx, req.Path)
	defer enough()
	watched, stop := t.watchOutput(watched)
	defer stop()
	part, err := t.run(watched)
	if err != nil && watched.Err() != nil && ctx.Err() == nil {
		err = context.Cause(watched) // the workspace or the output is over its limit, whatever the tool made of that
	}
	return part, err
}

// toolOf returns the calling workflow's metadata, which names its tool.
func (a *Activities) toolOf(info activity.Info) (metadata.Workflow, error) {
	wrong := func(what, fix string) error {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: RunToolName, Name: fmt.Sprintf("for %.100q", class(info)), Err: errors.New(what), Fix: fix}
	}
	w, ok := lookup(a.catalog, a.log, class(info))
	switch {
	case !ok:
		return w, wrong("this worker knows no metadata of the calling workflow", "add the workflow's folder to the worker's CORDON_WORKFLOWS")
	case w.Tool == nil:
		return w, wrong("its metadata has no run", "say what to run in "+w.File)
	case a.sandbox == nil:
		return w, wrong("this worker has nothing to confine tools with", "start it as 'cordon worker' does")
	}
	return w, nil
}

// toolRun is one run of a tool.
type toolRun struct {
	a      *Activities
	op     string            // the activity's name
	entry  *metadata.Bridged // of the tool bridge; nil: the calling workflow's own tool
	info   activity.Info
	w      metadata.Workflow
	hold   *os.File
	report func(Progress)
	scrub  analyze.Scrubber

	dir      string // what the tool sees as its workspace
	readOnly bool
	output   string
	command  sandbox.Command
	program  string

	stdout, stderr *tail
	result         sandbox.Result
}

// prepare makes what the tool needs before it can start; done takes that away again.
func (t *toolRun) prepare(ctx context.Context, req RunToolRequest) (done func(), err error) {
	entry, err := t.a.cache.Find(req.Path)
	if err != nil {
		return nil, err
	}
	t.dir, t.readOnly = req.Path, entry.Mode == cordon.Shared
	if err := t.checkMode(); err != nil {
		return nil, err
	}
	bytes := t.w.Limits.Bytes
	if bytes == 0 || !t.readOnly {
		// In a workspace of its own the limit is for that above all, whose growth is
		// measured: only a report's room is reserved.
		bytes = min(cmp.Or(bytes, outputBytes), outputBytes)
	}
	scratch, err := t.a.cache.Scratch(ctx, "what "+t.w.Name+" writes", bytes, cmp.Or(t.w.Limits.Inodes, outputInodes))
	if err != nil {
		return nil, err
	}
	t.output = scratch.Dir()
	release := []func(){scratch.Release}
	done = func() {
		for _, f := range release {
			f()
		}
	}
	defer func() {
		if err != nil {
			done()
		}
	}()
	single, err := t.singleFile(ctx, req.Path)
	if err != nil {
		return nil, err
	}
	if single != nil {
		release = append(release, single.Release)
		t.dir = single.Dir()
	}
	scrub, err := secrets.NewScrubber()
	if err != nil {
		return nil, err
	}
	t.scrub = t.words(scrub)
	return done, t.plan(t.dir, req.Arguments)
}

// checkMode refuses results in a tree that is not to be written: the metadata was
// checked for its own mode, and a run may have another.
func (t *toolRun) checkMode() error {
	if !t.readOnly {
		return nil
	}
	r := t.w.Tool.Results
	inside := r.JSON != nil && r.JSON.InWorkspace
	for _, p := range r.SARIF {
		inside = inside || p.InWorkspace
	}
	for _, f := range r.Keep {
		inside = inside || f.InWorkspace
	}
	if inside {
		return t.wroteShared("its results lie in the workspace")
	}
	return nil
}

// singleFile gives a target that is one file a directory of its own: beside it lie
// other runs' workspaces.
func (t *toolRun) singleFile(ctx context.Context, path string) (*workspace.Scratch, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, &cordon.Error{Op: t.op, Name: path, Err: err}
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, &cordon.Error{Op: t.op, Name: path, Err: err}
	case st.IsDir():
		return nil, nil
	case !st.Mode().IsRegular():
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: t.op, Name: path, Err: errors.New("is neither a directory nor a regular file"),
			Fix: "give the path that get_target returned to this run"}
	}
	s, err := t.a.cache.Scratch(ctx, "a copy of the file for "+t.w.Name, st.Size(), 1)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(s.Dir(), filepath.Base(path))
	if err := errors.Join(copyTo(name, io.LimitReader(f, st.Size())), os.Chmod(name, 0o644)); err != nil {
		s.Release()
		return nil, &cordon.Error{Op: t.op, Name: path, Err: err}
	}
	return s, nil
}

// plan fills in the command. given are the values of the metadata's parameters, and
// workspace is what the placeholder of that name stands for.
func (t *toolRun) plan(workspace string, given []json.RawMessage) error {
	args, env, err := t.w.Command(metadata.Dirs{Workspace: workspace, Output: t.output}, given)
	if err != nil {
		return err
	}
	p, err := findProgram(t.w, args[0])
	if err != nil {
		return err
	}
	t.program = filepath.Base(args[0])
	t.command = sandbox.Command{
		Args:      append([]string{p.path}, args[1:]...),
		Env:       append([]string{"PATH=" + searchPath(p.path)}, env...),
		Workspace: t.dir,
		ReadOnly:  t.readOnly,
		Writable:  []string{t.output},
		Readable:  append(append([]string{}, t.w.Tool.Readable...), p.readable...),
		Network:   t.w.Network == metadata.NetworkAlways,
		Limits: sandbox.Limits{
			Memory: t.w.Limits.Memory, Processes: t.w.Limits.Processes, CPU: t.w.Limits.CPU,
			Time:  cmp.Or(t.w.Limits.Time, metadata.DefaultTime),
			Bytes: t.w.Limits.Bytes, Inodes: t.w.Limits.Inodes,
		},
		Hold: t.hold,
	}
	if t.dir == t.output { // it works where its output goes, and has no workspace besides
		t.command.Writable = nil
	}
	if t.readOnly || t.dir == t.output { // then all that it writes lies in what was reserved
		t.command.Limits.Bytes = cmp.Or(t.command.Limits.Bytes, outputBytes)
		t.command.Limits.Inodes = cmp.Or(t.command.Limits.Inodes, outputInodes)
	}
	if home := filepath.Dir(t.w.File); filepath.IsAbs(home) {
		t.command.Readable = append(t.command.Readable, home)
	}
	return nil
}

// searchPath is the sandbox's own PATH, after the directory that the program is in.
func searchPath(program string) string {
	for _, v := range sandbox.BaseEnv() {
		if path, ok := strings.CutPrefix(v, "PATH="); ok && filepath.IsAbs(program) {
			return filepath.Dir(program) + ":" + path
		} else if ok {
			return path
		}
	}
	return "/usr/bin:/bin"
}

// run runs the tool and reads what it left.
func (t *toolRun) run(ctx context.Context) (Part, error) {
	stage := t.stages()
	t.stdout, t.stderr = &tail{line: stage}, &tail{line: stage}
	t.command.Stdout, t.command.Stderr = t.stdout, t.stderr
	if p := t.w.Tool.Results.Stdout; p != nil {
		f, err := t.openOutput(p.Path)
		if err != nil {
			return Part{}, err
		}
		defer f.Close()
		t.stdout.line = nil // it is a report, not what a person would read
		t.command.Stdout = io.MultiWriter(t.stdout, f)
	}
	t.report(Progress{Stage: "running " + t.program})
	var err error
	if t.result, err = t.a.sandbox.Run(ctx, t.command); err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return Part{}, err
	}
	if err := t.a.runs.confirm(ctx, t.info); err != nil {
		return Part{}, err
	}
	t.report(Progress{Stage: "reading the results"})
	done, found := t.w.Tool.ExitCodes.Done(t.result.ExitCode)
	if t.result.Limit != "" || !done {
		return Part{}, t.failed(ctx)
	}
	return t.collect(ctx, found)
}

// openOutput makes a file in the output directory, before the tool is there that
// could lay a trap.
func (t *toolRun) openOutput(name string) (*os.File, error) {
	full := filepath.Join(t.output, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return nil, &cordon.Error{Op: t.op, Name: full, Err: err}
	}
	f, err := os.OpenFile(full, os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o644)
	if err != nil {
		return nil, &cordon.Error{Op: t.op, Name: full, Err: err}
	}
	return f, nil
}

// stages returns a function that tells what a tool prints as the activity's stage:
// a line now and then, without its secrets.
func (t *toolRun) stages() func(string) {
	const every = 500 * time.Millisecond // twice a heartbeat: looking for secrets takes a while
	var (
		mu   sync.Mutex
		next time.Time
	)
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.After(next) {
			next = now.Add(every)
			t.report(Progress{Stage: t.scrub.Scrub(line)})
		}
	}
}
