package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/bench/internal/lab"
	"github.com/cordonlabs/cordon/sandbox"
)

const (
	// nothing as the only argument makes this program end at once.
	nothing = "--nothing"
	// initName is under what name a program that has sandboxes becomes an init.
	initName = "cordon-sandbox-init"
)

// namespaces are those that a sandbox of tier full makes.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

// row is one contestant, and what it took.
type row struct {
	Name  string     `json:"name"`
	Took  lab.Spread `json:"took"`           // seconds
	CPU   lab.Spread `json:"cpu,omitzero"`   // seconds of processor time, of a workload
	Why   string     `json:"why,omitempty"`  // there are no figures
	Ready lab.Spread `json:"ready,omitzero"` // seconds until the tool ran
	do    func() (took, cpu, ready time.Duration, err error)
}

// section is a comparison; the first row is what the others are compared with.
type section struct {
	Name string `json:"name"`
	Rows []*row `json:"rows"`
}

type report struct {
	Profile  lab.Profile    `json:"profile"`
	Sandbox  sandbox.Report `json:"sandbox"`
	Sections []*section     `json:"sections"`
}

// workload is some seconds of one kind of work.
type workload struct {
	name string
	args []string
	why  string // it cannot be had here
}

func shell(name, script string) workload {
	return workload{name: name, args: []string{"sh", "-c", script}}
}

var workloads = []workload{
	shell("compute", `awk 'BEGIN { for (i = 0; i < 50000000; i++) s += i * i }'`),
	shell("system calls", `dd if=/dev/zero of=/dev/null bs=1 count=3000000 2>/dev/null`),
	shell("processes", `i=0; while [ $i -lt 1500 ]; do /bin/true; i=$((i+1)); done`),
	shell("files", `i=0; while [ $i -lt 60000 ]; do : > f$((i % 100)); i=$((i+1)); done`),
}

func measure(ctx context.Context, o *options, progress io.Writer) (*report, error) {
	dir, err := os.MkdirTemp("", "cordon-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // what stays in a temporary directory is the system's to remove
	state, ws := dir+"/state", dir+"/workspace"
	if err := os.Mkdir(ws, 0o755); err != nil {
		return nil, err
	}
	s, err := sandbox.New(sandbox.Options{StateDir: state})
	if err != nil {
		return nil, err
	}
	rep := &report{Profile: lab.ReadProfile("the file system of "+os.TempDir(), []string{"bwrap", "--version"}), Sandbox: s.Report()}
	if os.Geteuid() != 0 {
		rep.Profile.Privileges = "an ordinary user"
	}
	starts := &section{Name: "the start and end of `true`", Rows: []*row{
		{Name: "bare", do: func() (time.Duration, time.Duration, time.Duration, error) { return bare(ctx, ws, "true") }},
		{Name: "this program in empty namespaces", do: func() (time.Duration, time.Duration, time.Duration, error) { return empty(ctx) }},
		{Name: "cordon " + string(s.Report().Tier), do: func() (time.Duration, time.Duration, time.Duration, error) { return confined(ctx, s, ws, "true") }},
		bubblewrap(ctx, ws),
	}}
	if o.program != "" {
		starts.Rows = append(starts.Rows,
			&row{Name: "this program becomes an init", do: func() (time.Duration, time.Duration, time.Duration, error) { return becomes(ctx, "/proc/self/exe") }},
			&row{Name: o.program + " becomes an init", do: func() (time.Duration, time.Duration, time.Duration, error) { return becomes(ctx, o.program) }})
	}
	rep.Sections = append(rep.Sections, starts)
	if err := starts.take(ctx, o.samples, progress); err != nil {
		return nil, err
	}
	program, why := fuzzer(ctx, ws)
	works := append(workloads[:len(workloads):len(workloads)], workload{name: "libFuzzer", args: program, why: why})
	for _, w := range works {
		sec := &section{Name: w.name, Rows: []*row{
			{Name: "bare", Why: w.why, do: func() (time.Duration, time.Duration, time.Duration, error) {
				return bare(ctx, ws, w.args...)
			}},
			{Name: "cordon " + string(s.Report().Tier), Why: w.why, do: func() (time.Duration, time.Duration, time.Duration, error) {
				return confined(ctx, s, ws, w.args...)
			}},
		}}
		rep.Sections = append(rep.Sections, sec)
		if err := sec.take(ctx, o.rounds, progress); err != nil {
			return nil, err
		}
	}
	rep.Profile.Finish()
	return rep, nil
}

// take runs the contestants by turns, the first of each round being another one
// every time.
func (s *section) take(ctx context.Context, n int, progress io.Writer) error {
	fmt.Fprintf(progress, "%s\n", s.Name)
	for i := range n {
		for j := range s.Rows {
			r := s.Rows[(i+j)%len(s.Rows)]
			if r.Why != "" {
				continue
			}
			took, cpu, ready, err := r.do()
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				return fmt.Errorf("%s, %s: %w", s.Name, r.Name, err)
			}
			r.Took.AddTime(took)
			if cpu > 0 {
				r.CPU.AddTime(cpu)
			}
			if ready > 0 {
				r.Ready.AddTime(ready)
			}
		}
	}
	return nil
}

func bare(ctx context.Context, dir string, args ...string) (took, cpu, ready time.Duration, err error) {
	began := time.Now()
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir = dir
	err = c.Run()
	took = time.Since(began)
	if err == nil {
		cpu = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	return took, cpu, 0, err
}

func empty(ctx context.Context) (took, cpu, ready time.Duration, err error) {
	began := time.Now()
	c := exec.CommandContext(ctx, "/proc/self/exe", nothing)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		c.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	}
	err = c.Run()
	return time.Since(began), 0, 0, err
}

func confined(ctx context.Context, s *sandbox.Sandbox, ws string, args ...string) (took, cpu, ready time.Duration, err error) {
	began := time.Now()
	p, err := s.Start(ctx, sandbox.Command{Args: args, Workspace: ws})
	if err != nil {
		return 0, 0, 0, err
	}
	ready = time.Since(began)
	r, err := p.Wait()
	if err == nil && r.ExitCode != 0 {
		err = fmt.Errorf("it ended with %+v", r)
	}
	return time.Since(began), r.CPU, ready, err
}

// becomes starts a program as the init of a sandbox that is given up at once.
func becomes(ctx context.Context, program string) (took, cpu, ready time.Duration, err error) {
	gone, theirs, err := os.Pipe()
	if err != nil {
		return 0, 0, 0, err
	}
	theirs.Close()
	defer gone.Close()
	began := time.Now()
	c := exec.CommandContext(ctx, program)
	c.Args, c.Env, c.ExtraFiles = []string{initName}, []string{}, []*os.File{gone}
	err = c.Run()
	return time.Since(began), 0, 0, err
}

func bubblewrap(ctx context.Context, ws string) *row {
	r := &row{Name: "bubblewrap"}
	if _, err := exec.LookPath("bwrap"); err != nil {
		r.Why = "not installed"
		return r
	}
	args := []string{"bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
		"--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", ws, ws, "--chdir", ws, "true"}
	if _, _, _, err := bare(ctx, ws, args...); err != nil {
		r.Why = err.Error()
		return r
	}
	r.do = func() (time.Duration, time.Duration, time.Duration, error) { return bare(ctx, ws, args...) }
	return r
}
