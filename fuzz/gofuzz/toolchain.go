package gofuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
)

// oldest is the first minor version of Go whose go command builds and runs what this
// package asks of it.
const oldest = 21

// toolchain is the Go of this host.
type toolchain struct {
	root string   // GOROOT
	see  []string // what a process needs to see of the host to use it
}

// findToolchain looks for Go in PATH.
func findToolchain() (toolchain, error) {
	missing := func(err error) (toolchain, error) {
		return toolchain{}, &cordon.Error{Kind: cordon.InvalidArgument, Op: "find Go", Err: err,
			Fix: fmt.Sprintf("install Go 1.%d or newer and have its go command in the worker's PATH", oldest)}
	}
	name, err := exec.LookPath("go")
	if err != nil {
		return missing(errors.New("there is no go command on this worker"))
	}
	// /usr/bin/go is a link on many systems, and GOROOT is above what it leads to.
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return missing(err)
	}
	t := toolchain{root: filepath.Dir(filepath.Dir(real))}
	t.see = []string{t.root}
	// Debian keeps the sources elsewhere.
	src, err := filepath.EvalSymlinks(filepath.Join(t.root, "src", "testing"))
	if err != nil {
		return missing(fmt.Errorf("%s is no installation of Go: its sources are missing", t.root))
	}
	if !strings.HasPrefix(src, t.root+"/") {
		t.see = append(t.see, filepath.Dir(filepath.Dir(src)))
	}
	return t, nil
}

func (t toolchain) command() string { return filepath.Join(t.root, "bin", "go") }

// version asks the go command, in the confinement that it would build in.
func (t toolchain) version(ctx context.Context, run fuzz.Runner, env []string) (string, error) {
	var out, problem bytes.Buffer
	exit, err := run.Run(ctx, fuzz.Command{Args: []string{t.command(), "env", "GOVERSION"}, Env: env,
		Stdout: &out, Stderr: &problem, Readable: t.see})
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", err
	}
	v := strings.TrimSpace(out.String())
	minor, ok := minorVersion(v)
	if exit.Code != 0 || !ok || minor < oldest {
		return "", &cordon.Error{Kind: cordon.InvalidArgument, Op: "ask Go for its version",
			Err: fmt.Errorf("%s says %.200q, %.200q", t.command(), v, problem.String()),
			Fix: fmt.Sprintf("install Go 1.%d or newer", oldest)}
	}
	return v, nil
}

// minorVersion reads "go1.26.8" as 26. A development version is newer than all.
func minorVersion(v string) (int, bool) {
	if strings.HasPrefix(v, "devel") {
		return 1 << 20, true
	}
	rest, ok := strings.CutPrefix(v, "go1.")
	if !ok || strings.ContainsAny(v, "\r\n") {
		return 0, false
	}
	digits := rest
	if i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = rest[:i]
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}

// environment is that of the go command, with everything it writes below home.
func environment(home string) []string {
	return []string{
		"HOME=" + home, "TMPDIR=" + home + "/tmp",
		"GOCACHE=" + home + "/build", "GOMODCACHE=" + home + "/mod", "GOPATH=" + home + "/path",
		"GOENV=off", "GOTOOLCHAIN=local",
		// A tree that came as an archive has no usable history, and modules in the
		// cache must not be in the way of whoever removes the workspace.
		"GOFLAGS=-buildvcs=false -modcacherw",
	}
}

// isFile reports whether there is a regular file; links count as what they lead to.
func isFile(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular()
}
