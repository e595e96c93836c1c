package atheris

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
)

// The versions of Python 3 that are looked for, newest first: those that Atheris
// had a release for.
const (
	newest = 14
	oldest = 8
)

// python is a Python that has Atheris.
type python struct {
	path     string // absolute
	version  string // of Atheris and Python, for people
	readable []string
}

// ask makes a Python tell what it has, and where.
const ask = `import sys, importlib.metadata, atheris
print("Atheris", importlib.metadata.version("atheris"), "on Python", sys.version.split()[0])
print(sys.prefix)
print(sys.base_prefix)
`

// find looks for a Python that has Atheris.
func (e Engine) find(ctx context.Context, run fuzz.Runner) (python, error) {
	candidates := []string{e.Python}
	if e.Python == "" {
		candidates = []string{"python3"}
		for n := newest; n >= oldest; n-- {
			candidates = append(candidates, fmt.Sprintf("python3.%d", n))
		}
	}
	var problem error // of the first one, which people would take for theirs
	for _, c := range candidates {
		path, err := exec.LookPath(c)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			if e.Python != "" {
				problem = err
			}
			continue
		}
		p, err := try(ctx, run, path)
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return python{}, ctx.Err()
		}
		if problem == nil {
			problem = err
		}
	}
	if problem == nil {
		problem = errors.New("there is no python3 in PATH")
	}
	return python{}, &cordon.Error{
		Kind: cordon.InvalidArgument, Op: "look for Atheris", Err: problem,
		Fix: "install Atheris on the worker: python3 -m pip install atheris",
	}
}

// try asks one Python.
func try(ctx context.Context, run fuzz.Runner, path string) (python, error) {
	p := python{path: path, readable: []string{filepath.Dir(filepath.Dir(path))}}
	// The program of a virtual environment is a link to the one that it is made from.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		p.readable = append(p.readable, filepath.Dir(filepath.Dir(real)))
	}
	out, problem := excerpt.New(4<<10, 0), excerpt.New(0, 1<<10)
	exit, err := run.Run(ctx, fuzz.Command{
		Args: []string{path, "-c", ask}, Env: environment(""), Stdout: out, Stderr: problem, Readable: p.readable,
	})
	if err != nil {
		return p, fmt.Errorf("running %s: %w", path, err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if exit.Code != 0 || len(lines) < 3 {
		said := strings.TrimSpace(problem.String())
		return p, fmt.Errorf("%s has none: %s", path, said[strings.LastIndexByte(said, '\n')+1:])
	}
	lines = lines[len(lines)-3:]
	p.version, p.readable = lines[0], append(p.readable, lines[1:]...)
	return p, nil
}

// environment is what every Python is started with. It writes nothing beside the
// project's sources, and orders sets and dictionaries alike each time.
func environment(packages string) []string {
	env := []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "PYTHONHASHSEED=0", "PYTHONNOUSERSITE=1"}
	if packages != "" {
		env = append(env, "PYTHONPATH="+packages)
	}
	return env
}
