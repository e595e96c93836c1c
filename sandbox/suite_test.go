package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/sandbox"
)

// The variables that tell an attacker what to do.
const (
	attackVar = "CORDON_TEST_ATTACK"
	fieldVar  = "CORDON_TEST_FIELD"
)

// What an attacker exits with. Anything else is a defect of the attack.
const (
	succeeded = 40
	stopped   = 41
)

func beAttacker() int {
	name := os.Getenv(attackVar)
	var f field
	if err := json.Unmarshal([]byte(os.Getenv(fieldVar)), &f); err != nil {
		fmt.Println(err)
		return 1
	}
	if f.Mine == "" {
		f.Mine = os.TempDir()
	}
	for _, a := range attacks {
		if a.name == name {
			if err := a.try(f); err != nil {
				fmt.Println(err)
				return stopped
			}
			return succeeded
		}
	}
	return 1
}

// newField prepares what is attacked. Everything is open to whoever has the
// worker's user.
func newField(t *testing.T) field {
	t.Helper()
	f := field{Base: publicDir(t), UID: os.Getuid()}
	for _, dir := range []string{"shared/dir", "other/workspace", "mine"} {
		if err := os.MkdirAll(filepath.Join(f.Base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.Mine = filepath.Join(f.Base, "mine")
	for path, text := range map[string]string{f.shared("file"): "shared", f.other("secret"): secret, "/dev/shm/cordon-" + filepath.Base(f.Base): secret} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Remove("/dev/shm/cordon-" + filepath.Base(f.Base)) })
	for _, name := range []string{filepath.Join(f.Base, "socket"), "@" + f.Base} {
		l, err := net.Listen("unix", name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	f.TCP = tcp.Addr().String()

	victim := exec.Command("sleep", "600")
	victim.Env = []string{"SECRET=" + secret}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { victim.Process.Kill(); victim.Wait() })
	f.Victim = victim.Process.Pid

	if f.Shm, err = unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o666); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.SysvShmCtl(f.Shm, unix.IPC_RMID, nil) })

	file, err := os.Open(f.other("secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// As a library's descriptor that somebody forgot to mark.
	if f.Fd, err = unix.FcntlInt(file.Fd(), unix.F_DUPFD, 100); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(f.Fd) })
	return f
}

// publicDir is a directory that other users can get at, with a name that is short
// enough for a socket in it.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "box")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// attacker returns a copy of this program that other users can run: go test builds
// it where only its user may go.
func attacker(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(publicDir(t), "attacker")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func (a attack) env(t *testing.T, f field) []string {
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return []string{roleVar + "=attacker", attackVar + "=" + a.name, fieldVar + "=" + string(text)}
}

// outsideBox runs the attack as this user without any confinement.
func (a attack) outsideBox(t *testing.T, program string) (int, string) {
	f := newField(t)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), a.env(t, f)...)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// inBox runs the attack in a sandbox.
func (a attack) inBox(t *testing.T, s *sandbox.Sandbox, program string) (sandbox.Result, string) {
	f := newField(t)
	c := sandbox.Command{Args: []string{program}, Workspace: f.Mine, Readable: []string{f.shared(""), program}}
	if s.Report().Tier == sandbox.Landlock { // which takes no writable workspace
		c.Workspace, c.ReadOnly = f.shared(""), true
		f.Mine = ""
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	c.Env = a.env(t, f)
	r, err := s.Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r, strings.TrimSpace(out.String())
}

// TestEveryPromiseHolds is the table: each attack succeeds outside, and is stopped in
// every tier that promises so.
func TestEveryPromiseHolds(t *testing.T) {
	allPromises(t, sandbox.Full, sandbox.Rootless, sandbox.Landlock, sandbox.None)
}

func TestEveryPromiseHoldsForAnUnprivilegedUser(t *testing.T) {
	if asuser.Unprivileged(t) {
		allPromises(t, sandbox.Rootless, sandbox.None)
	}
}

func allPromises(t *testing.T, tiers ...sandbox.Tier) {
	t.Setenv("CORDON_TEST_SECRET", secret)
	program := attacker(t)
	boxes := map[sandbox.Tier]*sandbox.Sandbox{}
	for _, tier := range tiers {
		s, err := sandbox.New(sandbox.Only(sandbox.Options{StateDir: t.TempDir()}, tier))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Report(); got.Tier == tier {
			boxes[tier] = s
		} else {
			t.Logf("this host has no tier %s: %v", tier, got.Missing)
		}
	}
	if boxes[sandbox.Full] == nil && boxes[sandbox.Rootless] == nil && boxes[sandbox.Landlock] == nil {
		t.Skip("no tier but none works here")
	}
	if testing.Short() {
		for _, tier := range tiers { // the best one
			if s := boxes[tier]; s != nil {
				boxes = map[sandbox.Tier]*sandbox.Sandbox{tier: s}
				break
			}
		}
	}
	var mu sync.Mutex
	tried := map[sandbox.Tier]int{}
	t.Run("attack", func(t *testing.T) {
		for _, a := range attacks {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				if a.outside == anybody || a.outside == root && os.Getuid() == 0 {
					if code, out := a.outsideBox(t, program); code != succeeded {
						t.Fatalf("without a sandbox it ends with %d: %s", code, out)
					}
				}
				for tier, s := range boxes {
					if a.outside == nobody && !s.Report().Keeps(a.against) {
						continue // it would harm this machine
					}
					r, out := a.inBox(t, s, program)
					switch {
					case r.ExitCode != succeeded && r.ExitCode != stopped:
						t.Errorf("in tier %s it ends with %+v: %s", tier, r, out)
					case !r.Report.Keeps(a.against):
					case r.ExitCode == succeeded:
						t.Errorf("in tier %s it succeeds: %s", tier, out)
					default:
						mu.Lock()
						tried[tier]++
						mu.Unlock()
					}
				}
			})
		}
	})
	for tier := range boxes {
		t.Logf("tier %s stopped %d attacks", tier, tried[tier])
	}
}
