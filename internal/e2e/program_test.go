package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
)

// user is somebody with a home of their own and nothing in their environment.
type user struct {
	home string
	env  []string

	as     *syscall.Credential // nil: who runs the tests
	binary string              // that they may run; "": the one of the tests
}

func newUser(t *testing.T, env ...string) user {
	home := mountstest.Dir(t)
	return user{home: home, env: append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}, env...)}
}

func (u user) data() string { return filepath.Join(u.home, "data") }

// with returns u with more in the environment.
func (u user) with(env ...string) user {
	u.env = append(u.env[:len(u.env):len(u.env)], env...)
	return u
}

// limit is far more than any command here takes, and far less than a test's time.
const limit = 8 * time.Minute

func (u user) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, cmp.Or(u.binary, binary), args...)
	cmd.Env, cmd.Dir = u.env, u.home
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // it says where it hangs
	cmd.WaitDelay = 10 * time.Second
	if u.as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: u.as}
	}
	return cmd
}

type answer struct {
	out, err string
	code     int
}

func (a answer) String() string { return a.out + a.err }

// cordon runs the program to its end.
func (u user) cordon(t *testing.T, args ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := u.command(ctx, args...)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("cordon %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), talk.String())
	}
	return answer{out.String(), talk.String(), cmd.ProcessState.ExitCode()}
}

// must runs the program, which has to end with code.
func (u user) must(t *testing.T, code int, args ...string) answer {
	t.Helper()
	got := u.cordon(t, args...)
	if got.code != code {
		t.Fatalf("cordon %s: exit code %d, want %d\n%s", strings.Join(args, " "), got.code, code, got)
	}
	return got
}

// server is a program that runs until it is told to stop.
type server struct {
	cmd   *exec.Cmd
	ended chan error
	mu    sync.Mutex
	talk  bytes.Buffer
}

// start runs the program in the background until the test ends, or stop.
func (u user) start(t *testing.T, args ...string) (*server, *bufio.Reader) {
	t.Helper()
	return u.startExpecting(t, 0, args...)
}

// startExpecting is start of a program that is to end with code.
func (u user) startExpecting(t *testing.T, code int, args ...string) (*server, *bufio.Reader) {
	t.Helper()
	s := &server{cmd: u.command(context.Background(), args...), ended: make(chan error, 1)}
	s.cmd.Stderr = s
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	t.Cleanup(func() {
		if got := s.stop(t); got != code {
			t.Errorf("cordon %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, s.log())
		}
	})
	return s, r
}

// Write collects standard error.
func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.talk.Write(b)
}

func (s *server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.talk.String()
}

// stop interrupts the program as Ctrl-C does and returns its exit code.
func (s *server) stop(t *testing.T) int {
	t.Helper()
	if s.cmd.ProcessState != nil {
		return s.cmd.ProcessState.ExitCode()
	}
	go func() { s.ended <- s.cmd.Wait() }()
	_ = s.cmd.Process.Signal(os.Interrupt) // it may have ended by itself, which its exit code tells
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
		t.Errorf("it did not stop within 30 s of an interrupt\n%s", s.log())
	}
	return s.cmd.ProcessState.ExitCode()
}

// waitLog waits until the log holds text.
func (s *server) waitLog(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(s.log(), text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q is not in the log:\n%s", text, s.log())
		}
	}
}

// dev is a running `cordon dev`.
type dev struct {
	*server
	Temporal string   `json:"temporal"`
	UI       string   `json:"ui"`
	HTTP     string   `json:"http"`
	Store    string   `json:"store"`
	Cache    string   `json:"cache"`
	State    string   `json:"state"`
	Queues   []string `json:"queues"`
}

func (u user) dev(t *testing.T) *dev {
	t.Helper()
	d := &dev{}
	var out *bufio.Reader
	d.server, out = u.start(t, "dev", "--data", u.data(), "--port", "0", "--ui-port", "0", "--json")
	if err := json.NewDecoder(out).Decode(d); err != nil {
		t.Fatalf("cordon dev printed no addresses: %v\n%s", err, d.log())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // so that it can never block on printing
	return d
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
}
