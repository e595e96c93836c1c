package libfuzz

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
	"github.com/cordonlabs/cordon/fuzz/internal/shrink"
)

// maxInput is the most that is read of an input, in bytes: libFuzzer itself makes none above a mebibyte.
const maxInput = 16 << 20

// short is the length of an input, in bytes, up to which bytes are removed one after the other at once:
// libFuzzer itself takes seconds to see that it has come to an end.
const short = 64

// Minimise implements fuzz.Binary. libFuzzer does it first, which tries thousands of
// inputs a second, but takes any crash for the same; its result counts only where it
// is the same bug. Then bytes are removed one after the other.
func (p *Program) Minimise(ctx context.Context, file, out string, budget time.Duration) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	smaller, err := p.minimise(limited, file, budget)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return false, fmt.Errorf("minimising with %q: %w", p.Harness, err)
	}
	if smaller == nil {
		return false, nil
	}
	return true, scratch.Replace(p.Workspace, out, smaller)
}

// minimise returns a smaller input, or nil.
func (p *Program) minimise(ctx context.Context, file string, budget time.Duration) ([]byte, error) {
	data, err := scratch.Read(p.Workspace, file, maxInput)
	if err != nil {
		return nil, err
	}
	d, err := scratch.Make(p.Workspace, p.Out, "minimise-")
	if err != nil {
		return nil, err
	}
	defer d.Remove()
	in, err := d.Write("in", data, 0o644)
	if err != nil {
		return nil, err
	}
	limit := max(budget/10, 2*time.Second)
	before, err := p.Reproduce(ctx, in, limit)
	if err != nil || !before.Crashed {
		return nil, err
	}

	best := data
	number := 0
	same := func(ctx context.Context, b []byte) (bool, error) {
		number++
		try, err := d.Write(fmt.Sprintf("try-%d", number), b, 0o644)
		if err != nil {
			return false, err
		}
		r, err := p.Reproduce(ctx, try, limit)
		return err == nil && r.Crashed && p.bug(r) == p.bug(before), err
	}
	// An input that hangs takes all of its time in each attempt: too few for chance.
	if len(data) > short && before.Kind != fuzz.FoundTimeout {
		if b := p.byItself(ctx, d, in, budget); b != nil && len(b) < len(data) {
			if ok, err := same(ctx, b); err != nil {
				return nil, err
			} else if ok {
				best = b
			}
		}
	}
	best, err = shrink.Bytes(ctx, best, same)
	if len(best) == len(data) {
		return nil, err
	}
	return best, nil
}

// bug is what two crashes have in common that happen in the same way.
func (p *Program) bug(r fuzz.Reproduction) string {
	report := crash.Parse(p.Engine, r.Log, p.Workspace)
	return string(r.Kind) + " " + crash.Signature("", p.Harness, report, "")
}

// byItself lets libFuzzer minimise the input, for at most half of the budget, and returns what it
// came to, or nil.
func (p *Program) byItself(ctx context.Context, d *scratch.Dir, in string, budget time.Duration) []byte {
	out := filepath.Join(d.Path(), "out")
	// It goes on until it has not found a smaller one for this long.
	step := min(max(budget/8, time.Second), 10*time.Second)
	args := append(argsFor(0, 0),
		"-minimize_crash=1", fmt.Sprintf("-max_total_time=%d", seconds(step)),
		"-exact_artifact_path="+p.relative(out), p.relative(in))
	if _, err := p.run(ctx, budget/2, newOutput(), args...); err != nil {
		return nil // the other way remains
	}
	b, err := scratch.Read(p.Workspace, out, maxInput)
	if err != nil {
		return nil // it found none
	}
	return b
}
