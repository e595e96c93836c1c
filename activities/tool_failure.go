package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/sandbox"
)

const noFollow = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC

// maxQuoted bounds what an error quotes of a tool's output, in bytes: the whole
// error has to fit into maxMessage.
const maxQuoted = 900

// ToolFailure is what is stored of a tool that failed, beside the run's results.
type ToolFailure struct {
	Program  string         `json:"program"`
	ExitCode int            `json:"exit_code"`        // -1 where a signal ended it
	Signal   string         `json:"signal,omitempty"` // "killed"
	Limit    string         `json:"limit,omitempty"`  // the limit that ended it
	Stdout   string         `json:"stdout"`           // the last 64 KiB, without secrets
	Stderr   string         `json:"stderr"`
	Sandbox  sandbox.Report `json:"sandbox"`
}

// failed says how the tool failed, and stores what it printed.
func (t *toolRun) failed(ctx context.Context) error {
	r := t.result
	f := ToolFailure{Program: t.program, ExitCode: r.ExitCode, Limit: r.Limit, Sandbox: r.Report,
		Stdout: t.scrub.Scrub(t.stdout.String()), Stderr: t.scrub.Scrub(t.stderr.String())}
	if r.Signal != 0 {
		f.Signal = r.Signal.String()
	}
	where := ""
	if body, err := json.MarshalIndent(f, "", "  "); err == nil {
		url, err := t.a.results.PutResult(ctx, partID(t.info, t.op)+".failure", "json", body)
		if err == nil {
			where = "; all that it printed: " + url
		}
	}
	switch {
	case r.Limit != "":
		return t.overLimit(r, where)
	case t.readOnly && wroteInto(t.dir, t.stdout.String()+"\n"+t.stderr.String(), append(t.command.Args[:1:1], t.command.Readable...)):
		return t.wroteShared("it tried to write into its workspace" + quote(f) + where)
	}
	how := fmt.Sprintf("it ended with exit code %d", r.ExitCode)
	if r.Signal != 0 {
		how = fmt.Sprintf("signal %d (%s) ended it", int(r.Signal), f.Signal)
	}
	return &cordon.Error{Kind: t.failureKind(), Op: "run", Name: t.program, Err: errors.New(how + quote(f) + where),
		Fix: "see what it complains about; codes that are no failure go into exit_codes in " + t.w.File}
}

// quote renders the end of what a tool complained about.
func quote(f ToolFailure) string {
	said := lastLines(f.Stderr, maxQuoted)
	if said == "" {
		said = lastLines(f.Stdout, maxQuoted)
	}
	if said == "" {
		return ", and said nothing"
	}
	return ": " + said
}

func (t *toolRun) wrong(what, fix string) error {
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "run", Name: t.program, Err: errors.New(what), Fix: fix}
}

// overLimit says which limit ended the tool, and how much that was.
func (t *toolRun) overLimit(r sandbox.Result, where string) error {
	l := t.command.Limits
	most := map[string]string{
		"memory": cordon.FormatBytes(l.Memory) + " of memory", "processes": fmt.Sprintf("%d processes", l.Processes), "time": l.Time.String(),
		"bytes": cordon.FormatBytes(l.Bytes) + " to write", "inodes": fmt.Sprintf("%d files to make", l.Inodes),
	}[r.Limit]
	kind := cordon.InvalidArgument
	if r.Limit == "bytes" || r.Limit == "inodes" {
		kind = cordon.TargetTooLarge
	}
	return &cordon.Error{Kind: kind, Op: "run", Name: t.program, Err: fmt.Errorf("it went over its limit, %s%s", most, where),
		Fix: fmt.Sprintf("raise limits.%s in %s, or give it less to do", r.Limit, t.w.File)}
}

// wroteShared is the error of a tool that writes where nobody may.
func (t *toolRun) wroteShared(what string) error {
	if t.entry != nil {
		return t.bridgedReadOnly(what)
	}
	return &cordon.Error{Kind: cordon.PermissionDenied, Op: "run", Name: t.w.Name,
		Err: fmt.Errorf("%s, and the mode is shared, whose tree is read-only and common to all runs", what),
		Fix: fmt.Sprintf("set workspace_isolation: isolated, or copy-on-write where targets are large, in %s; what the tool writes below {output} needs neither", t.w.File)}
}
