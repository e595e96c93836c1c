package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/sandbox/internal/box"
)

const (
	// interruptGrace is how long a tool may take after SIGINT, upon which fuzzers write
	// down what they know, and terminateGrace after SIGTERM.
	interruptGrace = 2 * time.Second
	terminateGrace = 500 * time.Millisecond
	// endGrace is how long the init may take to kill the rest, before it is killed itself.
	endGrace = time.Second
	// pipeGrace is how long a writer may go on taking output when all processes are gone.
	pipeGrace = 2 * time.Second
)

// Process is a running command.
type Process struct {
	s      *Sandbox
	c      Command
	plan   *plan
	cmd    *exec.Cmd
	events *json.Decoder

	mu      sync.Mutex
	control *os.File
	orders  *json.Encoder
	limit   string // the limit by which this process ended it

	began  time.Time
	before int64         // inodes that its writable directories held, where those are limited
	over   chan struct{} // closed when the init is dead
	done   chan struct{} // closed when result and err are there

	result Result
	err    error
}

// Result is how a command ended.
type Result struct {
	ExitCode int            // -1 where a signal ended it
	Signal   syscall.Signal // 0 where it exited
	Limit    string         // the limit that ended it: "memory", "processes", "time", "bytes", "inodes"; or ""

	Wall, CPU time.Duration // CPU of all its processes that were waited for
	MaxRSS    int64         // bytes, of its largest process

	Report Report
}

// Run runs a command to its end. That it fails, or is killed for a limit or because
// ctx is done, is no error.
func (s *Sandbox) Run(ctx context.Context, c Command) (Result, error) {
	p, err := s.Start(ctx, c)
	if err != nil {
		return Result{}, err
	}
	return p.Wait()
}

// Start starts a command. Once ctx is done it gets SIGINT, soon after SIGTERM, and is
// killed then with all that it started. Whoever calls must call Wait.
func (s *Sandbox) Start(ctx context.Context, c Command) (*Process, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	p, err := s.begin(ctx, s.report.Tier, c)
	if err == nil && s.watch != nil {
		ended := s.watch(ctx, p.plan.report.Tier)
		go func() {
			<-p.done
			ended(p.result)
		}()
	}
	return p, err
}

func (s *Sandbox) begin(ctx context.Context, t Tier, c Command) (*Process, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	plan, err := s.plan(t, &c)
	if err != nil {
		return nil, err
	}
	if !plan.report.Tier.AtLeast(s.min) {
		plan.release()
		return nil, tooLittle(opStart, c.Workspace, s.min, plan.report)
	}
	p := &Process{s: s, c: c, plan: plan, over: make(chan struct{}), done: make(chan struct{})}
	if c.Limits.Inodes > 0 {
		p.before = p.measure(ctx, 0).Inodes
	}
	if err := p.start(ctx); err != nil {
		plan.release()
		return nil, err
	}
	go p.await()
	go p.watch(ctx)
	if c.Limits.Bytes > 0 || c.Limits.Inodes > 0 {
		go p.watchRoom()
	}
	return p, nil
}

// start runs the init and waits until the tool runs.
func (p *Process) start(ctx context.Context) error {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("start a sandbox: %w", err)
	}
	theirs := os.NewFile(uintptr(ends[1]), "control")
	defer theirs.Close()
	if err := unix.SetNonblock(ends[0], true); err != nil { // so that closing it ends a read
		return err
	}
	p.control = os.NewFile(uintptr(ends[0]), "control")
	p.orders, p.events = json.NewEncoder(p.control), json.NewDecoder(p.control)

	cmd := exec.Command(self)
	cmd.Args, cmd.Env, cmd.Dir = []string{box.Name}, []string{}, "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.c.Stdin, p.c.Stdout, p.c.Stderr
	cmd.ExtraFiles = append([]*os.File{theirs}, p.plan.files...)
	cmd.SysProcAttr = attributes(p.plan.tier, p.c.Network)
	cmd.WaitDelay = pipeGrace
	p.cmd, p.began = cmd, time.Now()
	if err := cmd.Start(); err != nil {
		p.control.Close()
		return fmt.Errorf("start a sandbox: %w", err)
	}
	_ = theirs.Close() // or the end of the init would not be seen, for its end of the socket would be open here
	// An init that hangs, on a disk that does, is given up with the context.
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	var e box.Event
	err = p.orders.Encode(p.plan.spec)
	if err == nil {
		err = p.events.Decode(&e)
	}
	if err == nil && e.Started {
		return nil
	}
	_ = cmd.Process.Kill() // it may have ended
	_ = cmd.Wait()
	p.control.Close()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("start a sandbox: its init died: %w", err)
	case e.Exec:
		return p.c.fail(&startError{e}, "see that the program is in the PATH of the sandbox, or in what it may read")
	}
	return &cordon.Error{Op: opStart, Name: p.c.Workspace, Err: &startError{e}}
}

// startError is what an init could not do.
type startError struct{ e box.Event }

func (s *startError) Error() string { return s.e.Err }
func (s *startError) Unwrap() error {
	if s.e.Errno == 0 {
		return nil
	}
	return s.e.Errno
}

func attributes(t Tier, network bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true}
	if t != Full && t != Rootless {
		return a
	}
	a.Cloneflags = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	if !network {
		a.Cloneflags |= syscall.CLONE_NEWNET
	}
	if t == Rootless {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		uid, gid := os.Geteuid(), os.Getegid()
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		// Any other uid than 0 loses what the new namespace gives it with its exec.
		a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}
	}
	return a
}

// await takes the end.
func (p *Process) await() {
	var last box.Event
	heard := p.events.Decode(&last) == nil && last.Ended
	err := p.cmd.Wait() // with the init's death the kernel has killed everything in its namespace
	close(p.over)
	r := Result{Wall: time.Since(p.began), Report: p.plan.report, CPU: last.CPU, MaxRSS: last.MaxRSS}
	switch {
	case !heard:
		r.ExitCode, r.Signal = -1, syscall.SIGKILL
	case last.Status.Signaled():
		r.ExitCode, r.Signal = -1, last.Status.Signal()
	default:
		r.ExitCode = last.Status.ExitStatus()
	}
	p.mu.Lock()
	p.control.Close()
	p.control = nil
	r.Limit = p.limit
	p.mu.Unlock()
	if r.Limit == "" {
		r.Limit = last.Limit
	}
	if r.Limit == "" && p.plan.group != nil && r.ExitCode != 0 {
		r.Limit = p.plan.group.hit()
	}
	if r.Limit == "" && r.Signal == syscall.SIGXFSZ {
		r.Limit = "bytes"
	}
	p.plan.release()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.err = fmt.Errorf("the output of %s: %w", p.c.Args[0], err)
	}
	p.result = r
	close(p.done)
}

// Wait returns when the command has ended and nothing of it is left. The error is one
// of the writers that took its output.
func (p *Process) Wait() (Result, error) {
	<-p.done
	return p.result, p.err
}

// Signal sends a signal to the tool's process group.
func (p *Process) Signal(sig syscall.Signal) { p.order(box.Order{Signal: sig}) }

// Interrupt asks the tool to stop, as a terminal would.
func (p *Process) Interrupt() { p.Signal(syscall.SIGINT) }

// Kill kills the tool and all that it started. Wait says when it is done.
func (p *Process) Kill() {
	p.order(box.Order{End: true})
	go func() {
		select {
		case <-p.over:
		case <-time.After(endGrace):
			_ = p.cmd.Process.Kill() // pid 1 of its namespace, with which everything in it dies
		}
	}()
}

func (p *Process) order(o box.Order) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.control != nil {
		_ = p.orders.Encode(o) // it has ended
	}
}

// endBy kills the command for a limit.
func (p *Process) endBy(limit string) {
	p.mu.Lock()
	if p.limit == "" {
		p.limit = limit
	}
	p.mu.Unlock()
	p.Kill()
}

// watch ends the command when its context or its time is over.
func (p *Process) watch(ctx context.Context) {
	var late <-chan time.Time
	if p.c.Limits.Time > 0 {
		t := time.NewTimer(p.c.Limits.Time)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-p.over:
		return
	case <-late:
		p.mu.Lock()
		p.limit = "time"
		p.mu.Unlock()
	case <-ctx.Done():
	}
	p.Interrupt()
	if p.waits(interruptGrace) {
		p.Signal(syscall.SIGTERM)
		if p.waits(terminateGrace) {
			p.Kill()
		}
	}
}

// waits reports whether the command is still there after d.
func (p *Process) waits(d time.Duration) bool {
	select {
	case <-p.over:
		return false
	case <-time.After(d):
		return true
	}
}
