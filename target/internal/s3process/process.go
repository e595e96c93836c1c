package s3process

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// StartTimeout is generous: a server is up in a second, or Ceph in ten, but two cores
// may be busy.
const StartTimeout = 2 * time.Minute

// Program is a kind of S3 server.
type Program struct {
	Name string // for people: "MinIO"

	// Steps returns what to start, in this order, to serve s at addr, which is the
	// host:port of s.Endpoint, with all that is written below dir, which exists. It is
	// called for each start.
	Steps func(s Server, addr, dir string) ([]Step, error)

	// Ready is the path that answers with ReadyStatus when the server is up.
	Ready       string
	ReadyStatus int
}

// Step is one program of those that make a server: one that stays and serves, or one
// that has to end well before the next step.
type Step struct {
	Cmd    *exec.Cmd
	Serves bool
}

// Process is a server that was started here.
type Process struct {
	Server  Server
	program Program
	dir     string
	serving []*daemon
}

// daemon is a program that stays.
type daemon struct {
	cmd    *exec.Cmd
	out    bytes.Buffer  // read after exited
	exited chan struct{} // closed when it is gone
}

// portAttempts is how often a start is tried with another port: a free port may
// be taken before the server listens on it.
const portAttempts = 3

// Start starts a server and returns when it answers, or StartTimeout is over.
func Start(program Program) (*Process, error) {
	ctx, cancel := context.WithTimeout(context.Background(), StartTimeout)
	defer cancel()
	var err error
	for range portAttempts {
		var p *Process
		if p, err = tryStart(ctx, program); err == nil || ctx.Err() != nil {
			return p, err
		}
	}
	return nil, err
}

func tryStart(ctx context.Context, program Program) (*Process, error) {
	addr, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cordon-s3-")
	if err != nil {
		return nil, err
	}
	p := &Process{
		Server:  Server{Endpoint: "http://" + addr, AccessKey: rand.Text(), SecretKey: rand.Text()},
		program: program,
		dir:     dir,
	}
	if err := p.start(ctx); err != nil {
		_ = os.RemoveAll(dir) // a leftover in the temporary directory fails no test
		return nil, err
	}
	return p, nil
}

// Restart starts the server again, after Kill, on the same port and data, and
// returns when it answers.
func (p *Process) Restart() error {
	ctx, cancel := context.WithTimeout(context.Background(), StartTimeout)
	defer cancel()
	return p.start(ctx)
}

// start starts the server, which does not run, on its address and its data, and
// waits until it answers.
func (p *Process) start(ctx context.Context) error {
	_, addr, _ := strings.Cut(p.Server.Endpoint, "://")
	steps, err := p.program.Steps(p.Server, addr, p.dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, step := range steps {
		if step.Serves {
			err = p.serve(step.Cmd, cancel)
		} else if out, rerr := finish(ctx, step.Cmd); rerr != nil {
			err = fmt.Errorf("%s: %w; it said: %s", step.Cmd, rerr, out)
		}
		if err != nil {
			return p.failed(err)
		}
	}
	if err := p.ready(ctx); err != nil {
		return p.failed(err)
	}
	return nil
}

// failed ends what has been started, and adds to err what that said.
func (p *Process) failed(err error) error {
	serving := p.serving
	p.Kill()
	for _, d := range serving {
		err = fmt.Errorf("%w; %s said: %s", err, filepath.Base(d.cmd.Path), d.out.Bytes())
	}
	return err
}

// finish runs a command that has to end, and returns what it said.
func finish(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // it may just have ended
	defer stop()
	err := cmd.Wait()
	return out.Bytes(), err
}

// serve starts a command that stays, and calls ended when it does not.
func (p *Process) serve(cmd *exec.Cmd, ended func()) error {
	d := &daemon{cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &d.out, &d.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test binary that is killed cleans up nothing itself
	started := make(chan error)
	go func() {
		// The death signal comes when the thread that started the server ends, so
		// this one is kept until the server is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is killed, so it never ends well; its output says why it failed
			close(d.exited)
			ended()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.serving = append(p.serving, d)
	return nil
}

// ready waits until the server answers.
func (p *Process) ready(ctx context.Context) error {
	client := http.Client{Timeout: time.Second}
	for {
		resp, err := client.Get(p.Server.Endpoint + p.program.Ready)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == p.program.ReadyStatus {
				return nil
			}
		}
		for _, d := range p.serving {
			select {
			case <-d.exited:
				return fmt.Errorf("the server ended: %s", d.cmd.ProcessState)
			default:
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer at %s: %w", p.Server.Endpoint, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill kills the server with SIGKILL; it keeps what it stored. It may be dead already.
func (p *Process) Kill() {
	for _, d := range slices.Backward(p.serving) {
		_ = d.cmd.Process.Kill() // fails when it is gone already
		<-d.exited
	}
	p.serving = nil
}

// Stop kills the server and removes what it stored.
func (p *Process) Stop() {
	p.Kill()
	_ = os.RemoveAll(p.dir) // a leftover in the temporary directory fails no test
}

// FreeAddress returns an address of this host on which nobody listens at the moment.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
