package libfuzz

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
)

// Reproduce implements fuzz.Binary.
func (p *Program) Reproduce(ctx context.Context, file string, limit time.Duration) (fuzz.Reproduction, error) {
	if limit <= 0 {
		limit = defaultInputTimeout
	}
	args := append(argsFor(limit, 0), file)
	// The alarm rings after half of the time and a second once more; starting takes time as well.
	r, err := p.run(ctx, 2*limit+slack, newOutput(), args...)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fuzz.Reproduction{}, fmt.Errorf("reproducing with %q: %w", p.Harness, err)
	}
	rep := fuzz.Reproduction{Command: p.command(args...), Env: p.Env}
	switch {
	case r.Code == 0:
	case !r.out.started:
		return fuzz.Reproduction{}, p.failed("reproduce", r)
	default:
		rep.Crashed, rep.Kind, rep.Log = true, r.kind(limit), r.out.log()
	}
	return rep, nil
}

// Codes that libFuzzer exits with.
const (
	exitTimeout = 70
	exitMemory  = 71
)

// kind is why a process ended that ran one input with a limit.
func (r result) kind(limit time.Duration) fuzz.FoundKind {
	switch {
	case r.Code == exitTimeout, r.Wall >= 2*limit+slack:
		return fuzz.FoundTimeout
	case r.Code == exitMemory, r.Limit == "memory":
		return fuzz.FoundMemory
	case strings.Contains(r.out.log(), "ERROR: LeakSanitizer: "):
		return fuzz.FoundLeak
	}
	return fuzz.FoundCrash
}
