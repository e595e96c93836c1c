package libfuzzer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
	"github.com/cordonlabs/cordon/fuzz/internal/libfuzz"
)

// The versions of clang that are looked for where there is none without a number:
// Debian's and Ubuntu's, newest first.
const (
	newest = 21
	oldest = 11
)

// clang is the compiler and what comes with it.
type clang struct {
	cc, cxx    string // absolute
	ar         string
	symbolizer string // "": stacks will have no names
	version    string // for people
	readable   []string
}

var versionLine = regexp.MustCompile(`clang version (\d+)\S*`)

// find looks for clang on this machine, and for libFuzzer in it.
func find(ctx context.Context, run fuzz.Runner) (clang, error) {
	var c clang
	for n := newest + 1; n >= oldest && c.cc == ""; n-- {
		suffix := fmt.Sprintf("-%d", n)
		if n > newest {
			suffix = ""
		}
		cc, err := exec.LookPath("clang" + suffix)
		if err != nil {
			continue
		}
		cxx, err := exec.LookPath("clang++" + suffix)
		if err != nil {
			continue
		}
		c.cc, c.cxx = cc, cxx
	}
	if c.cc == "" {
		return c, missing(errors.New("there is no clang in PATH"), "")
	}
	if real, err := filepath.EvalSymlinks(c.cc); err == nil {
		c.readable = append(c.readable, filepath.Dir(filepath.Dir(real)))
	}
	said, err := c.ask(ctx, run, "--version")
	if err != nil {
		return c, err
	}
	major := ""
	if m := versionLine.FindStringSubmatch(said); m != nil {
		c.version, major = m[0], m[1]
	} else {
		return c, missing(fmt.Errorf("%s does not tell its version but %q", c.cc, said), "")
	}
	resources, err := c.ask(ctx, run, "-print-resource-dir")
	if err != nil {
		return c, err
	}
	runtimes, _ := filepath.Glob(filepath.Join(resources, "lib", "*", "libclang_rt.fuzzer*.a")) // the pattern is well-formed
	if len(runtimes) == 0 {
		return c, missing(fmt.Errorf("%s has no libFuzzer in %s", c.cc, resources), major)
	}
	if c.ar, err = exec.LookPath("ar"); err != nil {
		if c.ar, err = exec.LookPath("llvm-ar-" + major); err != nil {
			return c, missing(errors.New("there is no ar in PATH"), major)
		}
	}
	if c.symbolizer = libfuzz.Symbolizer("llvm-symbolizer-"+major, "llvm-symbolizer"); c.symbolizer != "" {
		c.readable = append(c.readable, filepath.Dir(filepath.Dir(c.symbolizer)))
	}
	return c, nil
}

// ask returns what clang answers in its first line.
func (c clang) ask(ctx context.Context, run fuzz.Runner, question string) (string, error) {
	out, problem := excerpt.New(4<<10, 0), excerpt.New(0, 4<<10)
	exit, err := run.Run(ctx, fuzz.Command{Args: []string{c.cc, question}, Stdout: out, Stderr: problem, Readable: c.readable})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("asking %s %s: %w", c.cc, question, err)
	}
	if exit.Code != 0 {
		return "", missing(fmt.Errorf("%s %s failed: %s", c.cc, question, problem), "")
	}
	line, _, _ := bytes.Cut([]byte(out.String()), []byte("\n"))
	return strings.TrimSpace(string(line)), nil
}

// missing is the error of a machine that lacks something.
func missing(err error, major string) error {
	if major == "" {
		major = "14"
	}
	return &cordon.Error{
		Kind: cordon.InvalidArgument, Op: "look for libFuzzer", Err: err,
		Fix: fmt.Sprintf("install the Debian packages clang, libclang-rt-%s-dev and llvm on the worker", major),
	}
}
