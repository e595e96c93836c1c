package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/sandbox"
)

// stubborn is a tool that ignores every signal it can, and has a child of another
// session and a grandchild whose parent is gone, that do so too.
const stubborn = `trap '' INT TERM HUP QUIT USR1
setsid sh -c "trap '' INT TERM HUP; sleep $MARK; :" &
(sh -c "trap '' INT TERM HUP; sleep $MARK; :" &)
echo ready
while :; do sleep $MARK; done`

func TestACancelEndsTheWholeTree(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		m := mark()
		out := make(signalWriter)
		p, err := s.Start(ctx, sandbox.Command{Args: []string{"sh", "-c", stubborn}, Workspace: t.TempDir(), Env: []string{"MARK=" + m}, Stdout: out})
		if err != nil {
			t.Fatal(err)
		}
		<-out
		soon(t, "three of them sleep", func() bool { return len(left(t, "sleep\x00"+m)) >= 3 })
		began := time.Now()
		cancel()
		r, err := p.Wait()
		if err != nil || r.Signal != syscall.SIGKILL || r.ExitCode != -1 || r.Limit != "" {
			t.Errorf("%+v, %v", r, err)
		}
		t.Logf("over after %v", time.Since(began))
		if l := left(t, m); len(l) > 0 {
			t.Errorf("left: %q", l)
		}
	})
}

// signalWriter says when something is written.
type signalWriter chan struct{}

func (s signalWriter) Write(b []byte) (int, error) {
	select {
	case s <- struct{}{}:
	case <-time.After(10 * time.Second):
	}
	return len(b), nil
}

func TestACancelLetsAToolFinish(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		ws, out := t.TempDir(), make(signalWriter)
		p, err := s.Start(ctx, sandbox.Command{Args: []string{"sh", "-c", `trap 'echo done > report; exit 5' INT; echo ready; while :; do sleep 0.05; done`}, Workspace: ws, Stdout: out})
		if err != nil {
			t.Fatal(err)
		}
		<-out
		cancel()
		r, err := p.Wait()
		if err != nil || r.ExitCode != 5 {
			t.Errorf("%+v, %v", r, err)
		}
		if b, err := os.ReadFile(filepath.Join(ws, "report")); string(b) != "done\n" {
			t.Errorf("its report is %q, %v", b, err)
		}
	})
}

func TestKillAndInterrupt(t *testing.T) {
	s := open(t)
	for name, do := range map[string]func(*sandbox.Process){"kill": (*sandbox.Process).Kill, "interrupt": (*sandbox.Process).Interrupt} {
		p, err := s.Start(context.Background(), sandbox.Command{Args: []string{"sleep", "600"}, Workspace: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		do(p)
		want := map[string]syscall.Signal{"kill": syscall.SIGKILL, "interrupt": syscall.SIGINT}[name]
		if r, err := p.Wait(); err != nil || r.Signal != want {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		do(p) // of what has ended, it does nothing
	}
}

func TestWhatAToolLeavesEndsWithIt(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		m := mark()
		r, out := run(t, s, sandbox.Command{Env: []string{"MARK=" + m}}, `setsid sh -c "trap '' INT TERM HUP; sleep $MARK; :" & (sh -c "sleep $MARK; :" &); exit 3`)
		if r.ExitCode != 3 {
			t.Errorf("%+v %s", r, out)
		}
		if l := left(t, m); len(l) > 0 {
			t.Errorf("left: %q", l)
		}
	})
}

// beWorker is a worker that is about to be killed: it runs a stubborn tool with a
// locked file as the hold.
func beWorker() int {
	s, err := sandbox.New(sandbox.Only(sandbox.Options{StateDir: os.Getenv("STATE")}, sandbox.Tier(os.Getenv("TIER"))))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	hold, err := os.OpenFile(os.Getenv("HOLD"), os.O_RDWR, 0)
	if err == nil {
		err = unix.Flock(int(hold.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	_, err = s.Run(context.Background(), sandbox.Command{Args: []string{"sh", "-c", stubborn}, Workspace: os.Getenv("WS"), Env: []string{"MARK=" + os.Getenv("MARK")}, Hold: hold, Stdout: os.Stdout})
	fmt.Println(err)
	return 1
}

func TestAWorkerThatIsKilledLeavesNoToolAndTheHoldLastsAsLongAsTheTool(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		m, dir := mark(), t.TempDir()
		hold := filepath.Join(dir, "hold")
		if err := os.WriteFile(hold, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		worker := exec.Command("/proc/self/exe")
		worker.Env = append(os.Environ(), roleVar+"=worker", "STATE="+dir, "TMPDIR="+t.TempDir(), "TIER="+string(s.Report().Tier), "HOLD="+hold, "WS="+t.TempDir(), "MARK="+m)
		out, err := worker.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := worker.Start(); err != nil {
			t.Fatal(err)
		}
		defer worker.Wait()
		defer worker.Process.Kill()
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
			t.Fatalf("%q, %v", line, err)
		}
		soon(t, "three of them sleep", func() bool { return len(left(t, "sleep\x00"+m)) >= 3 })
		if !locked(t, hold) {
			t.Error("nobody has the hold while the tool runs")
		}
		if err := worker.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// Once the hold is free, nothing is alive that could use the workspace.
		soon(t, "the hold is free", func() bool { return !locked(t, hold) })
		if l := left(t, "sleep\x00"+m); len(l) > 0 {
			t.Errorf("left: %q", l)
		}
		soon(t, "no init is there", func() bool { return len(left(t, m)) == 0 })
	})
}

func locked(t *testing.T, path string) bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil
}

func TestAToolDoesNotInheritTheHold(t *testing.T) {
	hold, err := os.Create(filepath.Join(t.TempDir(), "hold"))
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	var out bytes.Buffer
	r, err := open(t).Run(context.Background(), sandbox.Command{Args: []string{"ls", "/proc/self/fd"}, Workspace: t.TempDir(), Hold: hold, Stdout: &out})
	// The fourth is ls's own, of the directory.
	if fds := strings.Fields(out.String()); err != nil || r.ExitCode != 0 || len(fds) != 4 {
		t.Errorf("%+v, %v, descriptors %q", r, err, fds)
	}
}

// Whoever gives a command up while it is being started is not kept waiting, at
// whichever moment of the start that is.
func TestACancelWhileACommandStarts(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		ws := t.TempDir()
		for after := time.Duration(0); after < 12*time.Millisecond; after += 100 * time.Microsecond {
			over := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), after)
				defer cancel()
				_, err := s.Run(ctx, sandbox.Command{Args: []string{"sleep", "0"}, Workspace: ws})
				over <- err
			}()
			select {
			case <-over: // whether it ran depends on the machine
			case <-time.After(time.Minute):
				t.Fatalf("a command that was cancelled %v after the call is still being started", after)
			}
		}
	})
}
