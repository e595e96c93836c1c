package fuzztest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
)

// grace is how long a process has between SIGINT and SIGKILL.
const grace = 2 * time.Second

// endsBy is how soon after a test what it started has ended by itself.
const endsBy = 10 * time.Second

// mark is a variable in the environment of every process that a Runner starts: by
// its value a test finds what was left running.
const mark = "CORDON_FUZZTEST"

// Runner starts processes without any confinement, each in a process group of its
// own: for tests, which run projects of this repository alone.
type Runner struct {
	dir string
	id  string
}

// NewRunner returns a Runner for the workspace dir. When the test has ended and a
// process that it started is still there for long, the process is killed and the test fails.
func NewRunner(t *testing.T, dir string) *Runner {
	r := &Runner{dir: dir, id: rand.Text()}
	t.Cleanup(func() {
		// The fork server of AFL leads a session of its own and ends when it has noticed
		// that nobody holds its pipe.
		for until := time.Now().Add(endsBy); len(r.left()) > 0 && time.Now().Before(until); {
			time.Sleep(50 * time.Millisecond)
		}
		for _, pid := range r.left() {
			t.Errorf("process %d was left running", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself meanwhile
		}
	})
	return r
}

// Run implements fuzz.Runner.
func (r *Runner) Run(ctx context.Context, c fuzz.Command) (fuzz.Exit, error) {
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = r.dir
	}
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "TMPDIR=" + os.TempDir(), "LANG=C.UTF-8", mark + "=" + r.id,
	}, c.Env...)
	cmd.Stdout, cmd.Stderr = c.Stdout, c.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = grace // for a grandchild that holds the pipes open
	if err := ctx.Err(); err != nil {
		return fuzz.Exit{Code: -1}, nil
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return fuzz.Exit{}, err
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		r.signal(cmd.Process.Pid, syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(grace):
			r.signal(cmd.Process.Pid, syscall.SIGKILL)
		}
	}()
	err := cmd.Wait()
	close(ended)
	r.signal(cmd.Process.Pid, syscall.SIGKILL)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return fuzz.Exit{}, err
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	e := fuzz.Exit{Code: cmd.ProcessState.ExitCode(), Wall: time.Since(began)}
	if status.Signaled() {
		e.Signal = status.Signal()
	}
	return e, nil
}

// signal is sent to the whole group; that nothing of it is left is no failure.
func (r *Runner) signal(group int, s syscall.Signal) { _ = syscall.Kill(-group, s) }

// left lists the processes that bear the runner's mark.
func (r *Runner) left() []int {
	want := []byte(mark + "=" + r.id)
	files, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well-formed
	var pids []int
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(env, want) { // ended meanwhile, or another user's
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
