package gosec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Env is the variable that names the gosec program, where it is not the one in PATH.
const Env = "CORDON_GOSEC"

// program is gosec with the go command it needs.
type program struct {
	gosec string
	goDir string // the directory of the go command, without anything else in it that matters
}

// errMissing says what is not installed, and what to do about it; it is shown to people.
type errMissing string

func (e errMissing) Error() string { return string(e) }

// find looks for the programs.
func find() (program, error) {
	name := os.Getenv(Env)
	if name == "" {
		name = "gosec"
	}
	gosec, err := exec.LookPath(name)
	if err != nil {
		return program{}, errMissing("gosec not installed: Go code was not analysed in depth; install it with `go install github.com/securego/gosec/v2/cmd/gosec@latest`, or name it in " + Env)
	}
	if gosec, err = filepath.Abs(gosec); err != nil {
		return program{}, err
	}
	goBin, err := exec.LookPath("go")
	if err != nil {
		return program{}, errMissing("the go command is not installed, which gosec needs: Go code was not analysed in depth; install Go")
	}
	// /usr/bin/go is a link on many systems; in its own directory there is neither git nor a compiler for C.
	if real, err := filepath.EvalSymlinks(goBin); err == nil {
		goBin = real
	}
	return program{gosec, filepath.Dir(goBin)}, nil
}

// maxOutput bounds what gosec may print; a finding takes about 700 bytes.
const maxOutput = 64 << 20

// errTooMuch is returned when gosec printed more.
var errTooMuch = errors.New("it printed more than is read")

// run runs gosec on the module, or with modules off the packages, in dir, and returns what it
// prints. When ctx ends, gosec and all it started are killed.
func (p program) run(ctx context.Context, dir, home string, modules bool) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.gosec, "-fmt=json", "-quiet", "-no-fail", "-concurrency=2", "./...")
	cmd.Dir = dir
	cmd.Env = environ(p.goDir, home, buildCache(home), modules)
	out := &bounded{limit: maxOutput}
	problem := &bounded{limit: 64 << 10}
	cmd.Stdout, cmd.Stderr = out, problem
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.WaitDelay = time.Second // for a grandchild that holds the pipes open
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case out.over:
		return nil, errTooMuch
	case err != nil && out.Len() == 0:
		return nil, fmt.Errorf("it failed: %s", firstLine(problem.Bytes(), err))
	}
	return out.Bytes(), nil
}

// buildCache returns a directory for what the go command compiles: one that lasts, in this user's
// cache, where that can be had, for compiling the standard library anew takes most of a scan's time.
// A workspace cannot put anything into it for others: entries are named by a digest of all that goes
// into them, and nothing of the workspace is executed that could write there by itself. The go
// command removes what was not used for days.
func buildCache(home string) string {
	if base, err := os.UserCacheDir(); err == nil {
		dir := filepath.Join(base, "cordon", "gosec-build")
		if os.MkdirAll(dir, 0o700) == nil && unix.Access(dir, unix.W_OK|unix.X_OK) == nil {
			return dir
		}
	}
	return filepath.Join(home, "build")
}

// environ is the whole environment of gosec.
func environ(goDir, home, build string, modules bool) []string {
	env := []string{
		"PATH=" + goDir, "HOME=" + home, "TMPDIR=" + filepath.Join(home, "tmp"), "LC_ALL=C",
		"GOCACHE=" + build, "GOMODCACHE=" + filepath.Join(home, "mod"), "GOPATH=" + filepath.Join(home, "go"),
		"GOENV=off", "GOFLAGS=-buildvcs=false", "GOWORK=off", "GOTOOLCHAIN=local",
		"GOPROXY=off", "GOSUMDB=off", "GOVCS=*:off", "CGO_ENABLED=0", "GIT_CONFIG_NOSYSTEM=1",
	}
	if !modules {
		env = append(env, "GO111MODULE=off")
	}
	return env
}

// firstLine returns the first words of what a program complained, or else the error.
func firstLine(b []byte, err error) string {
	for line := range bytes.Lines(b) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return fmt.Sprintf("%.200q", line)
		}
	}
	return err.Error()
}

// bounded is a buffer that takes no more than limit bytes, and remembers that there were more.
type bounded struct {
	bytes.Buffer
	limit int
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := b.limit - b.Len()
	if len(p) > room {
		b.over = true
	}
	b.Buffer.Write(p[:max(0, min(room, len(p)))])
	return len(p), nil // the writer must not fail on what is dropped
}
