// Package confined starts the processes of fuzzers in the sandbox.
package confined

import (
	"context"
	"os"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/sandbox"
)

// Sandbox runs tools confined; *sandbox.Sandbox is one.
type Sandbox interface {
	Run(ctx context.Context, c sandbox.Command) (sandbox.Result, error)
}

// Runner is a fuzz.Runner on one workspace.
type Runner struct {
	Sandbox   Sandbox
	Workspace string         // absolute
	Hold      *os.File       // of the workspace's lease, or nil
	Limits    sandbox.Limits // of each process; Time is the campaign's business, and 0
	Network   metadata.Network
	Env       []string // that builds which reach the network need to find it: proxies, mirrors
}

// Run implements fuzz.Runner.
func (r *Runner) Run(ctx context.Context, c fuzz.Command) (fuzz.Exit, error) {
	network := r.Network == metadata.NetworkAlways || r.Network == metadata.NetworkBuild && c.Building
	env := c.Env
	if network {
		env = append(append([]string{}, r.Env...), c.Env...)
	}
	result, err := r.Sandbox.Run(ctx, sandbox.Command{
		Args: c.Args, Dir: c.Dir, Env: env, Workspace: r.Workspace, Readable: there(c.Readable),
		Network: network, Limits: r.Limits, Stdout: c.Stdout, Stderr: c.Stderr, Hold: r.Hold,
	})
	if err != nil {
		return fuzz.Exit{}, err
	}
	code := result.ExitCode
	if result.Signal != 0 {
		code = -1
	}
	return fuzz.Exit{Code: code, Signal: result.Signal, Limit: result.Limit, Wall: result.Wall}, nil
}

// there leaves out what this host does not have.
func there(paths []string) (out []string) {
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			out = append(out, p)
		}
	}
	return out
}
