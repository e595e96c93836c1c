package gofuzz

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/token"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

// addition is what is compiled into package testing; see the package comment.
//
//go:embed inside.go.txt
var addition []byte

// lastLines is how much of what a compiler said stands in an error: some twenty lines.
const lastLines = 2 << 10

// Build implements fuzz.Engine. The first build in an empty Project.Out compiles the
// standard library too: half a minute on two processors, and 70 MB.
func (Engine) Build(ctx context.Context, p fuzz.Project, h fuzz.Harness) (fuzz.Binary, error) {
	dir, function := split(h.Name)
	refuse := func(err error, fix string) error {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: "build harness", Name: fmt.Sprintf("%q", h.Name), Err: err, Fix: fix}
	}
	if !token.IsIdentifier(function) || !filepath.IsLocal(dir) || path.Clean(dir) != dir {
		return nil, refuse(errors.New("it is no name of a fuzz test"), "name one that was discovered, such as parser.FuzzDecode")
	}
	var race []string
	switch p.Sanitizer {
	case "", "none":
	case "thread":
		race = []string{"-race"}
	default:
		return nil, refuse(fmt.Errorf("Go has no sanitizer %q", p.Sanitizer), `ask for "thread" or "none"`)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	tools, err := findToolchain()
	if err != nil {
		return nil, err
	}

	out, err := scratch.Open(p.Dir, p.Out)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	home, err := out.Sub("go")
	if err != nil {
		return nil, err
	}
	defer home.Close()
	tmp, err := home.Sub("tmp")
	if err != nil {
		return nil, err
	}
	defer tmp.Close()
	if err := home.Write("inside.go.txt", addition); err != nil {
		return nil, err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(tools.root, "src", "testing", "cordon_inside.go"): filepath.Join(home.Path, "inside.go.txt"),
	}})
	if err != nil {
		return nil, err
	}
	if err := home.Write("overlay.json", overlay); err != nil {
		return nil, err
	}

	pkg := filepath.Join(p.Dir, filepath.FromSlash(dir))
	fetch, err := needsModules(p.Dir, pkg)
	if err != nil {
		return nil, refuse(err, "upload the module as a whole, with its go.mod")
	}
	env := environment(home.Path)
	v, err := tools.version(ctx, p.Runner, env)
	if err != nil {
		return nil, err
	}
	exe := filepath.Join(home.Path, executable(h.Name, p.Sanitizer))
	if len(race) > 0 {
		env = append(env, "CGO_ENABLED=1") // which the race detector needs
	}
	if !fetch {
		env = append(env, "GOPROXY=off")
	}
	said := excerpt.New(0, lastLines)
	log := io.MultiWriter(said, p.Log)
	exit, err := p.Runner.Run(ctx, fuzz.Command{
		// -fuzz has the compiler count what an input reaches.
		Args: append(append([]string{tools.command(), "test", "-c", "-vet=off", "-fuzz=" + exactly(function),
			"-overlay=" + filepath.Join(home.Path, "overlay.json"), "-o", exe}, race...), "."),
		Dir: pkg, Env: env, Stdout: log, Stderr: log,
		Readable: tools.see, Building: fetch,
	})
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if exit.Code != 0 {
		why, fix := failed(exit, said.String()), "see that `go test -c` works in "+dir
		switch {
		case exit.Limit != "":
			fix = "let builds have more of it, or fuzz a smaller part"
		case fetch:
			fix += "; where no network is allowed, upload it with its modules (go mod vendor)"
		case len(race) > 0:
			fix += "; the race detector needs a C compiler (gcc) on the worker"
		}
		return nil, refuse(why, fix)
	}
	if !isFile(exe) {
		return nil, refuse(errors.New("there are no tests in its package"), "name a harness that was discovered")
	}
	return &binary{
		name: h.Name, function: function, dir: dir, pkg: pkg, exe: exe, version: v,
		workspace: p.Dir, out: p.Out, run: p.Runner, log: p.Log, see: tools.see,
	}, nil
}

// exactly is the pattern for -run and -fuzz that means one name.
func exactly(name string) string { return "^" + name + "$" }

// executable is the file name of a harness's test binary.
func executable(harness, sanitizer string) string {
	if sanitizer != "thread" {
		sanitizer = "plain"
	}
	return fmt.Sprintf("%s-%s.test", digest([]byte(harness)), sanitizer)
}

// failed says how a process ended, and what it said last.
func failed(exit fuzz.Exit, said string) error {
	how := fmt.Sprintf("exit status %d", exit.Code)
	switch {
	case exit.Limit != "":
		how = "it reached its limit of " + exit.Limit
	case exit.Signal != 0:
		how = "it was ended by signal " + exit.Signal.String()
	}
	if said = strings.TrimSpace(said); said == "" {
		return errors.New(how)
	}
	return fmt.Errorf("%s:\n%s", how, said)
}

// needsModules reports whether a package in dir may need modules that are not part of
// the project. It errs on the side of yes: without a network the build says what is
// missing.
func needsModules(project, dir string) (bool, error) {
	for d := dir; ; d = filepath.Dir(d) {
		top, err := scratch.Open(project, d)
		if err != nil {
			return false, err
		}
		text, err := top.Read("go.mod", maxSource)
		if err != nil {
			top.Close()
			if d == project {
				return false, errors.New("there is no go.mod in its directory or above it")
			}
			continue
		}
		vendored := isFile(filepath.Join(d, "vendor", "modules.txt"))
		top.Close()
		return !vendored && requires(text), nil
	}
}

// requires reports whether a go.mod has a line that requires something.
func requires(mod []byte) bool {
	for line := range bytes.Lines(mod) {
		if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == "require" {
			return true
		}
	}
	return false
}
