package libfuzz

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

// Program is a harness with libFuzzer in it. It implements fuzz.Binary.
type Program struct {
	Runner    fuzz.Runner
	Workspace string // absolute
	Out       string // a directory in it for scratch, absolute

	// Path is the executable, absolute and in the workspace. To minimise and to merge,
	// libFuzzer starts itself again by its first argument and a shell, with no quotes
	// around anything. It is therefore started by a path relative to Dir, in which
	// everything but the workspace has plain characters.
	Path string
	Dir  string // where it is started, absolute; in the workspace

	Engine     string   // whose report it makes, by fuzz.Engine's name
	Harness    string   // its name
	Env        []string // beyond the minimal environment, as NAME=value
	Readable   []string // as in fuzz.Command
	Dictionary string   // for sessions without one of their own, absolute; or ""
	notes      []string
}

var (
	_ fuzz.Binary = (*Program)(nil)
	_ fuzz.Noted  = (*Program)(nil)
)

// Note adds a note, if it is one, and tells the log.
func (p *Program) Note(log io.Writer, note string) {
	if note != "" {
		p.notes = append(p.notes, note)
		fmt.Fprintln(log, note)
	}
}

// Notes implements fuzz.Noted.
func (p *Program) Notes() []string { return p.notes }

// What libFuzzer is told where nobody wishes anything. Its own limit for an input
// is twenty minutes, in which a session of half an hour may hang twice; this is
// what the public fuzzing services use.
const (
	defaultInputTimeout = 25 * time.Second
	defaultMemoryMB     = 2560
)

// slack is how long after its time a program is waited for before it is told to stop: it
// looks at the clock between two inputs only.
const slack = 5 * time.Second

// result is how one process ended, and what it said.
type result struct {
	fuzz.Exit
	out *output
}

// run runs the program with arguments for libFuzzer. After limit, if there is one,
// it is told to stop; the error is the context's if ctx ended first.
func (p *Program) run(ctx context.Context, limit time.Duration, out *output, args ...string) (result, error) {
	if err := ctx.Err(); err != nil {
		return result{}, err
	}
	inner := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		inner, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	exit, err := p.Runner.Run(inner, fuzz.Command{
		Args: append([]string{p.relative(p.Path)}, args...), Dir: p.Dir, Env: p.Env,
		Stdout: out, Stderr: out, Readable: p.Readable,
	})
	out.end()
	if err != nil {
		return result{}, err
	}
	return result{exit, out}, nil
}

// Start sees that the program starts and can run inputs. That it does not is an
// InvalidArgument with what it said last.
func (p *Program) Start(ctx context.Context, log io.Writer) error {
	d, err := scratch.Make(p.Workspace, p.Out, "start-")
	if err != nil {
		return fmt.Errorf("starting %q: %w", p.Harness, err)
	}
	defer d.Remove()
	// What an empty input does is not the question yet.
	args := append(argsFor(0, 0), "-runs=0", "-artifact_prefix="+d.Path()+"/")
	r, err := p.run(ctx, 2*defaultInputTimeout, newOutput(), args...)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("starting %q: %w", p.Harness, err)
	}
	if r.out.started || len(r.out.artifacts()) > 0 {
		return nil
	}
	fmt.Fprintln(log, r.out.last())
	return p.failed("start", r)
}

// relative is a path of the workspace as seen from Dir, with a slash in it so that
// no PATH is searched.
func (p *Program) relative(path string) string {
	rel, err := filepath.Rel(p.Dir, path)
	if err != nil { // of two absolute paths: cannot be
		return path
	}
	if !filepath.IsLocal(rel) {
		return rel
	}
	return "./" + rel
}

// argsFor are the limits of one input as arguments.
func argsFor(input time.Duration, memory int64) []string {
	mb := (memory + 1<<20 - 1) >> 20
	if memory <= 0 {
		mb = defaultMemoryMB
	}
	if input <= 0 {
		input = defaultInputTimeout
	}
	return []string{
		fmt.Sprintf("-timeout=%d", seconds(input)),
		fmt.Sprintf("-rss_limit_mb=%d", mb),
	}
}

// seconds rounds up: 0 means no limit to libFuzzer.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// failed is the error of a program that ended by itself without an input to blame.
func (p *Program) failed(op string, r result) error {
	e := &cordon.Error{Op: op, Name: fmt.Sprintf("%q", p.Harness), Err: fmt.Errorf("%s; it said last:\n%s", how(r.Exit), r.out.last())}
	if r.Limit == "" && !r.out.started {
		// It will not start the next time either.
		e.Kind = cordon.InvalidArgument
		e.Fix = "make the harness run by itself: what it needs beside its program must be in the workspace"
	}
	return e
}

func how(e fuzz.Exit) string {
	switch {
	case e.Limit != "":
		return fmt.Sprintf("it met the limit of %s", e.Limit)
	case e.Signal != 0:
		return fmt.Sprintf("it died of %v", e.Signal)
	}
	return fmt.Sprintf("it exited with %d and no input to blame", e.Code)
}

// command is what people may run.
func (p *Program) command(args ...string) []string {
	return slices.Concat([]string{p.Path}, args)
}
