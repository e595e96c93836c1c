package libfuzz

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

// Merge implements fuzz.Binary. Inputs that crash or hang are left out.
func (p *Program) Merge(ctx context.Context, into string, from []string, budget time.Duration) error {
	err := p.merge(ctx, into, from, budget)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("merging with %q: %w", p.Harness, err)
	}
	return nil
}

func (p *Program) merge(ctx context.Context, into string, from []string, budget time.Duration) error {
	d, err := scratch.Make(p.Workspace, p.Out, "merge-")
	if err != nil {
		return err
	}
	defer d.Remove()
	// Short names for all directories: see Program.Path.
	args := append(argsFor(0, 0), "-merge=1", "-merge_control_file="+p.relative(d.Path()+"/control"))
	for i, dir := range append([]string{into}, from...) {
		name := fmt.Sprint(i)
		if err := d.Link(name, dir); err != nil {
			return err
		}
		args = append(args, p.relative(d.Path()+"/"+name))
	}
	// What a process kept that crashed would otherwise lie in Dir.
	artifacts, err := d.Sub("artifacts")
	if err != nil {
		return err
	}
	args = append(args, "-artifact_prefix="+p.relative(artifacts)+"/")

	limited, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	out := newOutput()
	r, err := p.run(limited, 0, out, args...)
	switch {
	case limited.Err() != nil:
		return errors.New("the time is used up")
	case err != nil:
		return err
	case r.Code != 0:
		return p.failed("merge", r)
	case !out.merged:
		return errors.New("it ended without a result; it said last:\n" + out.last())
	}
	return nil
}
