package gofuzz

import (
	"context"
	"fmt"
	"strings"

	"github.com/cordonlabs/cordon/fuzz"
)

// traits is what is learned of a harness by running it.
type traits struct {
	seeds int64  // that it adds by f.Add
	only  string // the type of its only argument, where that is []byte or string; else ""
}

// traits asks the harness, once.
func (b *binary) traits(ctx context.Context) (traits, error) {
	b.learning.Lock()
	defer b.learning.Unlock()
	if b.learned != nil {
		return *b.learned, nil
	}
	var t traits
	r, err := b.newRoom()
	if err != nil {
		return t, err
	}
	defer r.close()

	// Fuzzing for one execution, Go says how many seeds it has got.
	p := newProgress()
	exit, err := b.once(ctx, r, p, "-test.run=^$", "-test.fuzz="+exactly(b.function),
		"-test.fuzzcachedir="+r.cacheAbove.Path, "-test.fuzztime=1x", "-test.parallel=1", "-test.fuzzminimizetime=1x")
	if err != nil {
		return t, err
	}
	if !p.started() {
		return t, b.neverFuzzed(exit, p)
	}
	t.seeds = p.warmup

	// Given an input of the wrong type, Go says which one it wants.
	const asked = "cordon"
	if err := r.seeds.Write(asked, encode([]value{{typ: "[]byte"}})); err != nil {
		return t, err
	}
	p = newProgress()
	if exit, err = b.once(ctx, r, p, "-test.run="+exactly(b.function)+"/"+exactly(asked)); err != nil {
		return t, err
	}
	said := p.output()
	switch {
	case strings.Contains(said, "want [string]"):
		t.only = "string"
	case strings.Contains(said, "mismatched types"), strings.Contains(said, "wrong number of values"):
	default:
		t.only = "[]byte" // whether it passed or crashed
	}
	b.learned = &t
	return t, nil
}

// once runs the test binary to its end.
func (b *binary) once(ctx context.Context, r *room, p *progress, args ...string) (fuzz.Exit, error) {
	c := b.command(r, limits{}.orDefault(), args...)
	c.Stdout, c.Stderr = p, p
	exit, err := b.run.Run(ctx, c)
	p.flush()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return exit, err
}

// neverFuzzed is the error for a harness that ended before its first input.
func (b *binary) neverFuzzed(exit fuzz.Exit, p *progress) error {
	return b.fail("fuzz", fmt.Errorf("it ended before the fuzzer began: %w", failed(exit, p.output())),
		"see that `go test -fuzz="+exactly(b.function)+"` works in "+b.dir+", and that the function calls f.Fuzz")
}

// encoded is an input in Go's format: as it is, or as the only argument of the harness.
// ok is false where it is not in that format and the harness takes anything else.
func (t traits) encoded(input []byte) (_ []byte, ok bool) {
	if isEncoded(input) {
		return input, true
	}
	if t.only == "" {
		return nil, false
	}
	return encode([]value{{typ: t.only, data: input}}), true
}

// known is what has been learned so far.
func (b *binary) known() traits {
	b.learning.Lock()
	defer b.learning.Unlock()
	if b.learned == nil {
		return traits{}
	}
	return *b.learned
}
