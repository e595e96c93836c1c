package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shell is an interactive shell on a terminal, as somebody types into it.
type shell struct {
	terminal *os.File
	mu       sync.Mutex
	shown    strings.Builder
}

func startShell(t *testing.T, u user, args ...string) *shell {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no terminals to try: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	// Wide, or the shell would cut the line that it edits into pieces.
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 400}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir = u.env, u.home
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	s := &shell{terminal: master}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it waits for somebody to type
		_ = cmd.Wait()
		master.Close()
	})
	go func() {
		buf := make([]byte, 4<<10)
		for {
			n, err := master.Read(buf)
			s.mu.Lock()
			s.shown.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return // the shell has ended
			}
		}
	}()
	return s
}

func (s *shell) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// types keys, and waits until the shell shows words that it has not shown before.
func (s *shell) types(t *testing.T, keys, until string) {
	t.Helper()
	before := len(s.all())
	if _, err := s.terminal.WriteString(keys); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !strings.Contains(s.all()[before:], until); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %q the shell shows\n%s\nand no %q", keys, s.all()[before:], until)
		}
	}
}

// bashCompletion is the file of the package that the script for bash builds on.
const bashCompletion = "/usr/share/bash-completion/bash_completion"

// completing is a user whose cordon is in PATH, with something in the store and the cache.
func completing(t *testing.T) (u user, id, key string) {
	t.Helper()
	u = newUser(t)
	bin := filepath.Join(u.home, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(bin, "cordon")); err != nil {
		t.Fatal(err)
	}
	u = u.with("PATH="+bin+":"+os.Getenv("PATH"), "TERM=dumb", "PS1=> ", "LC_ALL=C.UTF-8")
	project := filepath.Join(u.home, "project")
	if err := os.MkdirAll(project, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(project, "a.py"), []byte("print(1)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	data := u.data()
	u.must(t, 0, "targets", "put", project, "--id", "fuzzer-7", "--data", data)
	u.must(t, 0, "get", "fuzzer-7", "--run", "night-7", "--data", data)
	out := u.must(t, 0, "cache", "ls", "--data", data).out
	return u, "fuzzer-7", strings.Fields(strings.Split(out, "\n")[1])[0]
}

func TestBashCompletes(t *testing.T) {
	if _, err := os.Stat(bashCompletion); err != nil {
		t.Skip("this machine has no bash-completion")
	}
	u, id, key := completing(t)
	rc := filepath.Join(u.home, "rc")
	text := ". " + bashCompletion + "\n. <(cordon completion bash)\nbind 'set enable-bracketed-paste off'\n"
	if err := os.WriteFile(rc, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startShell(t, u, "bash", "--noprofile", "--rcfile", rc, "-i")
	// The line is never entered: \x15 empties it again.
	for _, c := range []struct{ typed, until string }{
		{"cordon workfl\t", "workflows "},
		{"cordon worker --serve st\t", "--serve storage "},
		{"cordon workflows show secret_d\t", "secret_detection "},
		{"cordon run secret_detection --param no_\t", "no_git="},
		{"cordon targets rm --data data fuzz\t", id + " "},
		{"cordon cache explain --data data " + key[:5] + "\t", key + " "},
		{"cordon workspace export --data data nigh\t", "night-7 "},
		{"cordon run secret_detection proj\t", "project/"},
		{"cordon targets rm --data nothing fuz\t\x15echo $((40+2))\n", "42"}, // and no store is made
	} {
		s.types(t, c.typed, c.until)
		if _, err := s.terminal.WriteString("\x15"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(u.home, "nothing")); err == nil {
		t.Error("completing made a folder for a store")
	}
	if strings.Contains(s.all(), "rror") {
		t.Errorf("the shell shows an error:\n%s", s.all())
	}
}

// The scripts for the other shells are accepted by them, where they are installed.
func TestOtherShellsAcceptTheirScripts(t *testing.T) {
	u, id, _ := completing(t)
	for sh, c := range map[string]struct{ script, want string }{
		"zsh":  {"autoload -U compinit && compinit -u -D; source <(cordon completion zsh) && whence -w _cordon", "function"},
		"fish": {"cordon completion fish | source; complete -C 'cordon targets rm --data " + u.data() + " fuz'", id},
	} {
		t.Run(sh, func(t *testing.T) {
			if _, err := exec.LookPath(sh); err != nil {
				t.Skipf("this machine has no %s", sh)
			}
			cmd := exec.Command(sh, "-c", c.script)
			cmd.Env, cmd.Dir = u.env, u.home
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
