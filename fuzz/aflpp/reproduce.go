package aflpp

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
	"github.com/cordonlabs/cordon/fuzz/internal/shrink"
)

const (
	// defaultInputTimeout is what a single input may take where nobody wishes anything: AFL's
	// own limit is a second, and starting a program with a sanitizer takes time too.
	defaultInputTimeout = 5 * time.Second

	// headOfReport and tailOfReport are how much is kept of what a program says.
	headOfReport = 64 << 10
	tailOfReport = 64 << 10
)

// Reproduce implements fuzz.Binary.
func (b *binary) Reproduce(ctx context.Context, file string, limit time.Duration) (fuzz.Reproduction, error) {
	if ctx.Err() != nil {
		return fuzz.Reproduction{}, context.Cause(ctx)
	}
	if limit <= 0 {
		limit = defaultInputTimeout
	}
	inTime, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	said := excerpt.New(headOfReport, tailOfReport)
	c := fuzz.Command{Args: b.on(b.witness, file), Dir: b.program.Dir, Env: b.environment(), Stdout: said, Stderr: said, Readable: b.tools.readable}
	exit, err := b.run.Run(inTime, c)
	r := fuzz.Reproduction{Command: c.Args, Env: c.Env}
	switch {
	case err != nil:
		return fuzz.Reproduction{}, fmt.Errorf("reproducing with %q: %w", b.harness, err)
	case ctx.Err() != nil:
		return fuzz.Reproduction{}, context.Cause(ctx)
	case inTime.Err() != nil, exit.Limit == "time":
		r.Crashed, r.Kind = true, fuzz.FoundTimeout
	case exit.Limit == "memory":
		r.Crashed, r.Kind = true, fuzz.FoundMemory
	case exit.Signal != 0: // a sanitizer aborts as well
		r.Crashed, r.Kind, r.Log = true, kindOf(said.String()), said.String()
	}
	return r, nil
}

// on is the command that runs a program on the input in file.
func (b *binary) on(program, file string) []string {
	if b.kind.entry {
		return []string{program, file}
	}
	if !b.kind.byFile() {
		return slices.Concat([]string{"/bin/sh", "-c", `file=$1; shift; exec "$@" < "$file"`, "sh", file, program}, b.kind.args)
	}
	args := []string{program}
	for _, a := range b.kind.args {
		args = append(args, strings.ReplaceAll(a, placeholder, file))
	}
	return args
}

// kindOf tells kinds of crash apart that all end with a signal.
func kindOf(log string) fuzz.FoundKind {
	switch {
	case strings.Contains(log, "ERROR: LeakSanitizer: "):
		return fuzz.FoundLeak
	case strings.Contains(log, "rss limit exhausted"), strings.Contains(log, "out-of-memory"), strings.Contains(log, "allocation-size-too-big"):
		return fuzz.FoundMemory
	}
	return fuzz.FoundCrash
}

// Minimise implements fuzz.Binary. afl-tmin takes any crash for the same; so bytes are
// removed one after the other, as long as the report is about the same place.
func (b *binary) Minimise(ctx context.Context, file, out string, budget time.Duration) (bool, error) {
	inTime, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	small, err := b.minimise(inTime, file, budget)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case err != nil && inTime.Err() == nil:
		return false, fmt.Errorf("minimising with %q: %w", b.harness, err)
	case small == nil:
		return false, nil
	}
	return true, scratch.Replace(b.workspace, out, small)
}

func (b *binary) minimise(ctx context.Context, file string, budget time.Duration) ([]byte, error) {
	data, err := scratch.Read(b.workspace, file, scratch.MaxInput)
	if err != nil {
		return nil, err
	}
	// An input that hangs takes all of its time at each attempt.
	limit := max(budget/10, 2*time.Second)
	before, err := b.Reproduce(ctx, file, limit)
	if err != nil || !before.Crashed {
		return nil, err
	}
	out, err := scratch.Open(b.workspace, b.out)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	name := unique("minimise-")
	try, err := out.Sub(name)
	if err != nil {
		return nil, err
	}
	defer out.RemoveAll(name)
	defer try.Close()
	small, err := shrink.Bytes(ctx, data, func(ctx context.Context, candidate []byte) (bool, error) {
		if err := try.Write("input", candidate); err != nil {
			return false, err
		}
		r, err := b.Reproduce(ctx, filepath.Join(try.Path, "input"), limit)
		return err == nil && r.Crashed && b.signature(r) == b.signature(before), err
	})
	if len(small) == len(data) {
		return nil, err
	}
	return small, nil
}
