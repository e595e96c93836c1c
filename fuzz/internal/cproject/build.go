// Package cproject builds harnesses in C and C++, for engines that differ in their
// compilers: by a project's own script where it has one, else file by file. The
// documentation of package libfuzzer tells how.
package cproject

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
)

// lastSaid is how much of a compiler's output an error carries, in bytes.
const lastSaid = 4 << 10

// Build is one build of a harness.
type Build struct {
	fuzz.Project
	Harness fuzz.Harness

	CC, CXX, AR string   // absolute
	Readable    []string // what they need, as in fuzz.Command
	Env         []string // for them, as NAME=value
	Flags       []string // with which everything is compiled
	Link        []string // with which a harness that has no main becomes a program

	Engine    string // as FUZZING_ENGINE and SANITIZER of build scripts have them
	Sanitizer string
}

// Program is what was built.
type Program struct {
	Path       string // absolute
	Dir        string // where it is to be started
	Dictionary string // where one would be; there may be none
}

// Make builds the program.
func (b *Build) Make(ctx context.Context) (Program, error) {
	script, err := b.script(ctx)
	if err != nil {
		return Program{}, err
	}
	if script != "" {
		file, err := b.byScript(ctx, script)
		// Harnesses of OSS-Fuzz find their files beside themselves.
		return Program{file, filepath.Dir(file), file + ".dict"}, err
	}
	file, err := b.byItself(ctx)
	source := filepath.Join(b.Dir, filepath.FromSlash(b.Harness.File))
	return Program{file, b.Dir, strings.TrimSuffix(source, path.Ext(source)) + ".dict"}, err
}

// Flags are those of OSS-Fuzz, which build scripts are written for, with whole debug
// information.
func Flags() []string {
	return []string{"-O1", "-g", "-fno-omit-frame-pointer", "-DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION"}
}

// run runs a tool of the build, and returns what it said last if it failed.
func (b *Build) run(ctx context.Context, c fuzz.Command) (failure string, err error) {
	said := excerpt.New(0, lastSaid)
	w := io.MultiWriter(said, b.Log)
	c.Stdout, c.Stderr = w, w
	c.Readable = b.Readable
	c.Env = append(c.Env, b.Env...)
	exit, err := b.Runner.Run(ctx, c)
	if err == nil {
		err = ctx.Err()
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("building %q: running %s: %w", b.Harness.Name, filepath.Base(c.Args[0]), err)
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
func (b *Build) broken(what, said, fix string) error {
	return &cordon.Error{
		Kind: cordon.InvalidArgument, Op: "build harness", Name: fmt.Sprintf("%q", b.Harness.Name),
		Err: errors.New(what + ": " + strings.TrimSpace(said)), Fix: fix,
	}
}

// isCXX reports whether a source is in C++.
func isCXX(file string) bool { return path.Ext(file) != CExtensions[0] }
