package atheris

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
	"github.com/cordonlabs/cordon/fuzz/internal/libfuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

//go:embed launch.py
var launch []byte

// lastSaid is how much of what pip said an error carries, in bytes.
const lastSaid = 4 << 10

// Build implements fuzz.Engine: it installs what the harness needs, and sees that
// it starts.
func (e Engine) Build(ctx context.Context, p fuzz.Project, h fuzz.Harness) (fuzz.Binary, error) {
	if err := checkSanitizer(p.Sanitizer); err != nil {
		return nil, err
	}
	py, err := e.find(ctx, p.Runner)
	if err != nil {
		return nil, err
	}
	out, err := scratch.Make(p.Dir, p.Out, "atheris-")
	if err != nil {
		return nil, fmt.Errorf("building %q: %w", h.Name, err)
	}
	defer out.Close()
	packages, err := install(ctx, p, py, h, out)
	if err != nil {
		return nil, err
	}
	program, err := write(out, py, p, h)
	if err != nil {
		return nil, fmt.Errorf("building %q: %w", h.Name, err)
	}
	b := &libfuzz.Program{
		Runner: p.Runner, Workspace: p.Dir, Out: p.Out, Path: program, Dir: p.Dir,
		Engine: e.Name(), Harness: h.Name,
		Env: environment(packages), Readable: py.readable,
		Dictionary: strings.TrimSuffix(filepath.Join(p.Dir, filepath.FromSlash(h.File)), path.Ext(h.File)) + ".dict",
	}
	if err := b.Start(ctx, p.Log); err != nil {
		return nil, err
	}
	return b, nil
}

// write writes the program that libFuzzer takes for itself.
func write(out *scratch.Dir, py python, p fuzz.Project, h fuzz.Harness) (string, error) {
	launcher, err := out.Write("launch.py", launch, 0o644)
	if err != nil {
		return "", err
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s %s \"$0\" %s %s \"$@\"\n",
		quote(py.path), quote(launcher), quote(filepath.Join(p.Dir, filepath.FromSlash(h.File))), quote(p.Dir))
	return out.Write("harness", []byte(script), 0o755)
}

// quote quotes a word for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// install installs the requirements of the harness and returns the directory of
// the packages, "" where nothing is required.
func install(ctx context.Context, p fuzz.Project, py python, h fuzz.Harness, out *scratch.Dir) (string, error) {
	args := []string{py.path, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-cache-dir"}
	const name = "requirements.txt"
	files := []string{name, path.Join(path.Dir(h.File), name)}
	required := 0
	for _, f := range slices.Compact(files) {
		if scratch.IsFile(p.Dir, filepath.Join(p.Dir, filepath.FromSlash(f))) {
			args = append(args, "-r", "./"+f)
			required++
		}
	}
	if required == 0 {
		return "", nil
	}
	packages, err := out.Sub("packages")
	if err != nil {
		return "", err
	}
	said := excerpt.New(0, lastSaid)
	w := io.MultiWriter(said, p.Log)
	exit, err := p.Runner.Run(ctx, fuzz.Command{
		Args: append(args, "--target", packages), Env: environment(""), Stdout: w, Stderr: w, Readable: py.readable, Building: true,
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("building %q: running pip: %w", h.Name, err)
	}
	if exit.Code != 0 {
		return "", &cordon.Error{
			Kind: cordon.InvalidArgument, Op: "build harness", Name: fmt.Sprintf("%q", h.Name),
			Err: errors.New("its requirements cannot be installed: " + strings.TrimSpace(said.String())),
			Fix: "correct requirements.txt; packages come from the network only where the workflow's metadata allows it",
		}
	}
	return packages, nil
}
