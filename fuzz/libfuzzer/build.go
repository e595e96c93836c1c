package libfuzzer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
	"github.com/cordonlabs/cordon/fuzz/internal/libfuzz"
)

// lastSaid is how much of a compiler's output an error carries, in bytes.
const lastSaid = 4 << 10

// build is one Build.
type build struct {
	fuzz.Project
	harness fuzz.Harness
	clang   clang
	san     sanitizer
}

// Build implements fuzz.Engine.
func (Engine) Build(ctx context.Context, p fuzz.Project, h fuzz.Harness) (fuzz.Binary, error) {
	san, err := parseSanitizer(p.Sanitizer)
	if err != nil {
		return nil, err
	}
	c, err := find(ctx, p.Runner)
	if err != nil {
		return nil, err
	}
	b := &build{Project: p, harness: h, clang: c, san: san}
	program := &libfuzz.Program{
		Runner: p.Runner, Workspace: p.Dir, Out: p.Out, Engine: Engine{}.Name(), Harness: h.Name,
		Env: libfuzz.SanitizerEnv(c.symbolizer), Readable: c.readable,
	}
	if c.symbolizer == "" {
		program.Note(p.Log, libfuzz.NoSymbolizer)
	}
	script, err := b.script(ctx)
	if err != nil {
		return nil, err
	}
	if script != "" {
		program.Path, err = b.byScript(ctx, script)
		program.Dir = filepath.Dir(program.Path) // harnesses of OSS-Fuzz find their files beside themselves
		program.Dictionary = program.Path + ".dict"
	} else {
		program.Path, err = b.byItself(ctx)
		program.Dir = p.Dir
		program.Dictionary = strings.TrimSuffix(filepath.Join(p.Dir, filepath.FromSlash(h.File)), path.Ext(h.File)) + ".dict"
	}
	if err != nil {
		return nil, err
	}
	if err := program.Start(ctx, p.Log); err != nil {
		return nil, err
	}
	return program, nil
}

// cFlags are the flags for what is compiled: those of OSS-Fuzz, which build scripts
// are written for, with whole debug information.
func (b *build) cFlags() []string {
	return append([]string{
		"-O1", "-g", "-fno-omit-frame-pointer", "-DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION", "-fsanitize=fuzzer-no-link",
	}, b.san.flags...)
}

// run runs a tool of the build, and returns what it said last if it failed.
func (b *build) run(ctx context.Context, c fuzz.Command) (failure string, err error) {
	said := excerpt.New(0, lastSaid)
	w := io.MultiWriter(said, b.Log)
	c.Stdout, c.Stderr = w, w
	c.Readable = b.clang.readable
	exit, err := b.Runner.Run(ctx, c)
	if err == nil {
		err = ctx.Err()
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("building %q: running %s: %w", b.harness.Name, filepath.Base(c.Args[0]), err)
	case exit.Limit != "":
		return fmt.Sprintf("it met the limit of %s\n%s", exit.Limit, said), nil
	case exit.Signal != 0:
		return fmt.Sprintf("it died of %v\n%s", exit.Signal, said), nil
	case exit.Code != 0:
		return fmt.Sprintf("it exited with %d\n%s", exit.Code, said), nil
	}
	return "", nil
}

// broken is the error of a project that does not build.
func (b *build) broken(what, said, fix string) error {
	return &cordon.Error{
		Kind: cordon.InvalidArgument, Op: "build harness", Name: fmt.Sprintf("%q", b.harness.Name),
		Err: errors.New(what + ": " + strings.TrimSpace(said)), Fix: fix,
	}
}

// isCXX reports whether a source is in C++.
func isCXX(file string) bool { return path.Ext(file) != cExtensions[0] }
