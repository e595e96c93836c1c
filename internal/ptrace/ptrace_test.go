package ptrace_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/ptrace"
)

const childEnv = "CORDON_TEST_PTRACE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// made is how many directories a child makes, of several threads, one after the
// other.
const made = 9

func child(dir string) {
	fmt.Println("ready")
	bufio.NewScanner(os.Stdin).Scan()
	if dir == "hang" {
		select {
		case <-time.After(time.Hour):
		}
	}
	for i := range made {
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o755); err != nil {
				fmt.Println(err)
			}
		})
		wg.Wait()
	}
}

// strike runs a child to its end and returns what it said.
func strike(t *testing.T, ctx context.Context, dir string, s ptrace.Strike) (ptrace.Verdict, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	v, err := ptrace.Run(ctx, cmd.Process.Pid, in.Close, s)
	if errors.Is(err, ptrace.ErrForbidden) {
		_ = cmd.Process.Kill() // it may have ended
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for lines.Scan() {
		said += lines.Text()
	}
	return v, said
}

func count(t *testing.T, dir string) int {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestKilledBeforeTheCall(t *testing.T) {
	for at := range made + 2 {
		dir := t.TempDir()
		v, _ := strike(t, t.Context(), dir, ptrace.Strike{At: at})
		want := made
		if at > 0 && at <= made {
			want = at - 1
		}
		if n := count(t, dir); n != want || v.Struck != (want < made) || !v.Ended {
			t.Errorf("struck at %d of %d: it made %d directories, %+v", at, made, n, v)
		}
		if v.Struck != (v.Status.Signaled() && v.Status.Signal() == unix.SIGKILL) {
			t.Errorf("status %#x", v.Status)
		}
	}
}

func TestOneCallFails(t *testing.T) {
	dir := t.TempDir()
	mkdirs := func(c ptrace.Call) bool { return c.Number == unix.SYS_MKDIRAT }
	v, said := strike(t, t.Context(), dir, ptrace.Strike{Counts: mkdirs, At: 4, Errno: unix.EDQUOT})
	if want := "mkdir " + dir + "/3: " + unix.EDQUOT.Error(); said != want || !v.Struck || v.Calls != made || v.Status.ExitStatus() != 0 {
		t.Errorf("%q, want %q; %+v", said, want, v)
	}
	if n := count(t, dir); n != made-1 {
		t.Errorf("%d directories", n)
	}
}

func TestChildThatHangsIsKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if v, _ := strike(t, ctx, "hang", ptrace.Strike{}); !v.Ended || !v.Status.Signaled() {
		t.Errorf("%+v", v)
	}
}
