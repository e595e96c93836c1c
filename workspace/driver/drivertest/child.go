package drivertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/workspace/driver"
)

// childEnv holds the order for a second process, as JSON.
const childEnv = "CORDON_DRIVERTEST_ORDER"

// The things that a second process is asked to do.
const (
	opCreate  = "create"
	opRestore = "restore"
	opLocks   = "locks"
)

// order is what a second process is to do. It prints "ready" when it has
// prepared it, does it when it gets a line, and prints how it went.
type order struct {
	Op     string
	Driver string
	Top    string // of the stand
	View   string // the directory of the view, or of the file to lock
	Size   driver.Usage
	Umask  int
}

// Child does what the suite asks of a second process, and ends that process. In
// any other process it returns at once. A test package that calls Run calls it
// from an init function of its own, before any test or flag is looked at.
func Child() {
	text := os.Getenv(childEnv)
	if text == "" {
		return
	}
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = o.obey(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (o order) obey(in io.Reader, out io.Writer) error {
	var do func() (string, error)
	switch o.Op {
	case opLocks:
		do = func() (string, error) { return locksFree(o.View) }
	case opCreate, opRestore:
		d, err := o.driver()
		if err != nil {
			return err
		}
		var job driver.Job
		if job.Base, err = os.OpenRoot(filepath.Join(o.Top, "base")); err != nil {
			return err
		}
		if job.Dir, err = os.OpenRoot(o.View); err != nil {
			return err
		}
		job.Name, job.Size = viewName, o.Size
		do = func() (string, error) {
			if o.Op == opRestore {
				return "restored", d.Restore(context.Background(), job)
			}
			_, err := d.Create(context.Background(), job)
			return "created", err
		}
	}
	syscall.Umask(o.Umask)
	fmt.Fprintln(out, "ready")
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		result, err := do()
		if err != nil {
			return err
		}
		fmt.Fprintln(out, result)
	}
	return lines.Err()
}

// driver tries the order's driver where it is going to be used.
func (o order) driver() (driver.Driver, error) {
	trial, err := os.MkdirTemp(o.Top, "probe")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(trial)
	root, err := os.OpenRoot(trial)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var d driver.Driver
	err = patient(func() error {
		p := driver.ByName(driver.Probe(root), o.Driver)
		if p == nil {
			return fmt.Errorf("there is no driver %q", o.Driver)
		}
		d = p.Driver
		return p.Err
	})
	return d, err
}

// child is a second process that obeys an order.
type child struct {
	s     *stand
	pid   int
	stdin *os.File
	lines *bufio.Scanner
	ended bool
}

// child starts the test binary again; v is the view that the order is about.
func (s *stand) child(o order, v *view) *child {
	s.Helper()
	o.Driver, o.Top, o.Size = s.d.Name(), s.top, s.size
	if o.View == "" {
		o.View = filepath.Dir(v.dir)
	}
	text, err := json.Marshal(o)
	s.must(err)
	// The race detector sleeps for a second at the end of each process unless told otherwise.
	return s.start(os.Args[0], []string{os.Args[0]}, []string{childEnv + "=" + string(text), "GORACE=atexit_sleep_ms=0"}, "")
}

// start starts a program whose input and output the test has. It is killed when
// the test ends.
func (s *stand) start(program string, args, env []string, dir string) *child {
	s.Helper()
	inRead, inWrite, err := os.Pipe()
	s.must(err)
	outRead, outWrite, err := os.Pipe()
	s.must(err)
	defer inRead.Close()
	defer outWrite.Close()
	p, err := os.StartProcess(program, args, &os.ProcAttr{
		Dir: dir, Env: append(os.Environ(), env...), Files: []*os.File{inRead, outWrite, os.Stderr},
		Sys: &syscall.SysProcAttr{Setpgid: true}, // so that the tracer can wait for this process's threads alone
	})
	s.must(err)
	c := &child{s: s, pid: p.Pid, stdin: inWrite, lines: bufio.NewScanner(outRead)}
	s.must(p.Release()) // waited for by number, for the tracer has to
	s.Cleanup(func() { c.kill(); inWrite.Close(); outRead.Close() })
	return c
}

// ready waits until the child has prepared what it is to do.
func (c *child) ready() {
	c.s.Helper()
	if got := c.answer(); got != "ready" {
		c.s.Fatalf("the second process said %q", got)
	}
}

// next tells the child to go on, and returns what it answers.
func (c *child) next() string {
	c.s.Helper()
	c.tell()
	return c.answer()
}

func (c *child) tell() {
	c.s.Helper()
	_, err := c.stdin.WriteString("go\n")
	c.s.must(err)
}

func (c *child) answer() string {
	c.s.Helper()
	if !c.lines.Scan() {
		c.s.Fatalf("the second process ended: %v", c.lines.Err())
	}
	return strings.TrimSpace(c.lines.Text())
}

// wait lets the child end and fails if it was not content.
func (c *child) wait() {
	c.s.Helper()
	c.stdin.Close()
	c.ended = true
	var ws unix.WaitStatus
	if err := wait4(c.pid, &ws, 0); err != nil || ws.ExitStatus() != 0 {
		c.s.Errorf("the second process: %v, status %#x", err, ws)
	}
}

func (c *child) kill() {
	if !c.ended {
		c.ended = true
		_ = unix.Kill(c.pid, unix.SIGKILL) // it may have ended by itself
		_ = wait4(c.pid, nil, unix.WALL)   // likewise
	}
}

func wait4(pid int, ws *unix.WaitStatus, options int) error {
	for {
		if _, err := unix.Wait4(pid, ws, options, nil); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
