package faults_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/ptrace"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// settings are how a process opens the cache.
type settings struct {
	Dir, Store string
	Driver     string        // CACHE_COW_DRIVER
	MaxSize    int64         // bytes; 0: the default
	MinFree    int64         // bytes; 0: nothing is left free
	TTL, Ahead time.Duration // Ahead: of its clock
}

func (s settings) open(log io.Writer) (*workspace.Cache, error) {
	store, err := dir.Open(s.Store)
	if err != nil {
		return nil, err
	}
	by, err := driver.ParseSetting(cmp.Or(s.Driver, "auto"))
	if err != nil {
		return nil, err
	}
	o := workspace.Options{
		Dir: s.Dir, Store: store, CowDriver: by, TTL: s.TTL, FillDisk: s.MinFree == 0,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:    func() time.Time { return time.Now().Add(s.Ahead) },
	}
	if s.MaxSize > 0 {
		o.MaxSize = cordon.BytesOf(s.MaxSize)
	}
	if s.MinFree > 0 {
		o.MinFree = cordon.BytesOf(s.MinFree)
	}
	return workspace.Open(o)
}

// The things that a second process is asked to do.
const (
	opOpen    = "open"
	opProbe   = "probe"
	opGet     = "get"
	opCleanup = "cleanup"
	opSweep   = "sweep"
	opWork    = "work"
)

// order is what a second process is to do. It prints "ready" when it has prepared
// it, does it when it gets a line, and prints its answer once the cache is closed.
type order struct {
	settings
	Op                string
	Target, Run, Mode string
	Path              string // to clean up
	Seed              uint64 // of opWork
}

// answer is how it went.
type answer struct {
	Path    string // of the workspace
	Hit     bool
	Outcome string // of a cleanup
	Failed  bool
	Text    string // of the error
	Kind    cordon.Kind
	Typed   bool // the error is a *cordon.Error
}

func (o order) obey() error {
	var c *workspace.Cache
	var err error
	if o.Op != opOpen {
		if c, err = o.open(os.Stderr); err != nil {
			return err
		}
		if o.Op != opProbe {
			_, _ = c.CowDriver() // whoever needs one and has none is told so again
		}
	}
	fmt.Println("ready")
	bufio.NewScanner(os.Stdin).Scan()
	if o.Op == opWork {
		return o.work(c)
	}
	a, err := o.do(&c)
	if c != nil {
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		var typed *cordon.Error
		a.Failed, a.Text, a.Kind, a.Typed = true, err.Error(), cordon.KindOf(err), errors.As(err, &typed)
	}
	return json.NewEncoder(os.Stdout).Encode(a)
}

func (o order) do(c **workspace.Cache) (a answer, err error) {
	ctx := context.Background()
	switch o.Op {
	case opOpen:
		*c, err = o.open(os.Stderr)
	case opProbe:
		_, err = (*c).CowDriver()
	case opGet:
		var ws workspace.Workspace
		ws, err = (*c).Get(ctx, request(o.Target, o.Run, o.Mode))
		a.Path, a.Hit = ws.Path, ws.Hit
	case opCleanup:
		var done workspace.Cleaned
		done, err = (*c).Cleanup(ctx, o.Path, workspace.Caller{Run: o.Run})
		a.Outcome = string(done.Outcome)
	case opSweep:
		_, err = (*c).Sweep(ctx, workspace.SweepOptions{Restore: true})
	}
	return a, err
}

func request(id, run, mode string) workspace.Request {
	t, err1 := cordon.ParseTargetID(id)
	r, err2 := cordon.ParseRunID(run)
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	return workspace.Request{Target: t, Run: r, Mode: cordon.Mode(mode)}
}

// child is a second process that has an order and is ready to carry it out.
type child struct {
	pid     int
	in, log *os.File
	from    *os.File
	out     *bufio.Scanner
	ended   bool
}

func start(tb testing.TB, o order) *child {
	tb.Helper()
	text, err := json.Marshal(o)
	must(tb, err)
	inRead, in, err := os.Pipe()
	must(tb, err)
	out, outWrite, err := os.Pipe()
	must(tb, err)
	log, err := os.CreateTemp(tb.TempDir(), "log")
	must(tb, err)
	p, err := os.StartProcess(os.Args[0], []string{os.Args[0]}, &os.ProcAttr{
		// One processor makes the order of calls as repeatable as can be. The race
		// detector sleeps for a second at the end of each process unless told otherwise.
		Env:   append(os.Environ(), childEnv+"="+string(text), "GOMAXPROCS=1", "GORACE=atexit_sleep_ms=0"),
		Files: []*os.File{inRead, outWrite, log},
		Sys:   &syscall.SysProcAttr{Setpgid: true}, // so that the tracer can wait for this process's threads alone
	})
	inRead.Close()
	outWrite.Close() // the child's end alone: when it is gone, nothing more comes
	must(tb, err)
	c := &child{pid: p.Pid, in: in, from: out, out: bufio.NewScanner(out), log: log}
	must(tb, p.Release()) // waited for by number, for the tracer has to
	if !c.out.Scan() || c.out.Text() != "ready" {
		said := c.said()
		c.end()
		tb.Fatalf("the second process does not come up:\n%s", said)
	}
	return c
}

// said returns what the child has logged.
func (c *child) said() string {
	b, err := os.ReadFile(c.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// end kills the child, if it has not ended, and forgets it.
func (c *child) end() {
	c.kill()
	for _, f := range []*os.File{c.in, c.from, c.log} {
		_ = f.Close() // nothing is lost with any of them
	}
	_ = os.Remove(c.log.Name()) // the next start of the machine clears it
}

func (c *child) kill() {
	if c.ended {
		return
	}
	c.ended = true
	_ = unix.Kill(c.pid, unix.SIGKILL) // it may have ended by itself
	for {
		if _, err := unix.Wait4(c.pid, nil, unix.WALL, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// hung is how long the smallest of orders may take on a machine that is busy with
// others. Whoever is struck and does not end by then waits for something that
// does not come.
const hung = time.Minute

// strike lets a child carry out the order with a strike, and returns how it went.
// A child that was killed has no answer.
func strike(tb testing.TB, o order, s ptrace.Strike) (ptrace.Verdict, answer, string) {
	tb.Helper()
	c := start(tb, o)
	defer c.end()
	ctx, cancel := context.WithTimeout(tb.Context(), hung)
	defer cancel()
	v, err := ptrace.Run(ctx, c.pid, func() error { _, err := c.in.WriteString("go\n"); return err }, s)
	c.ended = v.Ended
	if errors.Is(err, ptrace.ErrForbidden) {
		tb.Skip(err)
	}
	must(tb, err)
	if ctx.Err() != nil {
		tb.Errorf("the second process did not end:\n%s", c.said())
	}
	var a answer
	if c.out.Scan() {
		must(tb, json.Unmarshal(c.out.Bytes(), &a))
	} else if !v.Status.Signaled() {
		tb.Errorf("the second process ended with status %#x and no answer:\n%s", v.Status, c.said())
	}
	return v, a, c.said()
}

// carryOut is strike without one; it must go well.
func carryOut(tb testing.TB, o order) answer {
	tb.Helper()
	c := start(tb, o)
	defer c.end()
	_, err := c.in.WriteString("go\n")
	must(tb, err)
	var a answer
	if !c.out.Scan() {
		tb.Fatalf("no answer:\n%s", c.said())
	}
	must(tb, json.Unmarshal(c.out.Bytes(), &a))
	if a.Failed {
		tb.Fatalf("%s: %s\n%s", o.Op, a.Text, tail(c.said()))
	}
	return a
}

// tail returns the last lines of a log.
func tail(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}
