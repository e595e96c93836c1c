package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/sandbox"
)

// beGlutton touches as many megabytes as it is told, and then waits.
func beGlutton() int {
	n, _ := strconv.Atoi(os.Getenv("MB"))
	food := make([][]byte, n)
	for i := range food {
		food[i] = bytes.Repeat([]byte{1}, 1<<20)
	}
	time.Sleep(5 * time.Second)
	return int(food[0][0]) - 1
}

func TestTheLimitOfMemory(t *testing.T) {
	program := attacker(t)
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		eat := func(mb string) sandbox.Result {
			r, err := s.Run(context.Background(), sandbox.Command{Args: []string{program}, Workspace: t.TempDir(), Readable: []string{program},
				Env: []string{roleVar + "=glutton", "MB=" + mb}, Limits: sandbox.Limits{Memory: 128 << 20}})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		if r := eat("400"); r.Limit != "memory" || r.Signal != syscall.SIGKILL {
			t.Errorf("with too much: %+v", r)
		}
		if r := eat("20"); r.Limit != "" || r.ExitCode != 0 {
			t.Errorf("with what it may have: %+v", r)
		}
	})
}

// beHoarder takes 400 MB in a way that no sum of private memory shows, waits for long
// enough to be seen, and exits with 40.
func beHoarder() int {
	var err error
	switch os.Getenv("WAY") {
	case "shared mapping":
		var b []byte
		b, err = unix.Mmap(-1, 0, 400<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
	case "temporary files": // each may be as large as the limit
		for _, name := range []string{"/tmp/x", "/dev/shm/x"} {
			err = errors.Join(err, os.WriteFile(name, make([]byte, 100<<20), 0o600))
		}
	case "blind init":
		err = unix.Prlimit(os.Getppid(), unix.RLIMIT_NOFILE, &unix.Rlimit{}, nil)
		bytes.Repeat([]byte{1}, 400<<20)
	case "shared by five": // 100 MB, which is allowed, mapped by five processes
		var b []byte
		b, err = unix.Mmap(3, 0, 100<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
	case "parent of five":
		fd, _ := unix.MemfdCreate("x", 0)
		f := os.NewFile(uintptr(fd), "x")
		err = f.Truncate(100 << 20)
		for range 5 {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env, cmd.ExtraFiles = []string{roleVar + "=hoarder", "WAY=shared by five"}, []*os.File{f}
			err = errors.Join(err, cmd.Start())
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	time.Sleep(3 * time.Second)
	return 40
}

// Where no cgroup counts, the watcher sees what a tool does not hold as its own.
func TestTheLimitOfMemoryThatIsNobodysOwn(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	s := open(t)
	if s.Report().Tier != sandbox.Rootless {
		t.Skip("no user namespaces for this user")
	}
	program := attacker(t)
	for way, limit := range map[string]string{"shared mapping": "memory", "temporary files": "memory", "blind init": "memory", "parent of five": ""} {
		var out bytes.Buffer
		r, err := s.Run(context.Background(), sandbox.Command{Args: []string{program}, Workspace: t.TempDir(), Readable: []string{program}, Stdout: &out,
			Env: []string{roleVar + "=hoarder", "WAY=" + way}, Limits: sandbox.Limits{Memory: 160 << 20}})
		if err != nil || r.Limit != limit || limit == "" && r.ExitCode != 40 {
			t.Errorf("%s: %+v, %v %s", way, r, err, out.String())
		}
	}
}

func TestTheLimitOfProcesses(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		if !s.Report().Keeps(sandbox.LimitProcesses) || s.Report().Tier == sandbox.None && os.Getuid() != 0 {
			t.Skip("nothing keeps it")
		}
		const script = `i=0; while [ $i -lt 60 ]; do sleep 2 & i=$((i+1)); done; wait`
		r, out := run(t, s, sandbox.Command{Limits: sandbox.Limits{Processes: 20}}, script)
		if r.ExitCode == 0 || !strings.Contains(strings.ToLower(out), "fork") {
			t.Errorf("60 processes where 20 are allowed: %+v %s", r, out)
		}
		if _, v1 := os.Stat("/sys/fs/cgroup/pids"); v1 == nil && os.Getuid() == 0 && r.Limit != "processes" {
			t.Errorf("the limit is not named: %+v", r)
		}
		if r, out := run(t, s, sandbox.Command{Limits: sandbox.Limits{Processes: 100}}, script); r.ExitCode != 0 {
			t.Errorf("60 processes where 100 are allowed: %+v %s", r, out)
		}
	})
}

// beForker is a worker in a container without cgroups, which runs a tool that starts
// more than it may. It exits with 40 if that is promised not to happen and happens.
func beForker() int {
	if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("none", "/sys/fs/cgroup", "tmpfs", unix.MS_RDONLY, "")); err != nil {
		fmt.Println(err)
		return 41
	}
	s, err := sandbox.New(sandbox.Only(sandbox.Options{StateDir: os.TempDir()}, sandbox.Rootless))
	if err != nil || s.Report().Tier != sandbox.Rootless {
		fmt.Println(s.Report(), err)
		return 41
	}
	r, err := s.Run(context.Background(), sandbox.Command{Args: []string{"sh", "-c", "i=0; while [ $i -lt 60 ]; do sleep 1 & i=$((i+1)); done; wait"},
		Workspace: os.Getenv("WS"), Limits: sandbox.Limits{Processes: 20}, Stdout: os.Stdout, Stderr: os.Stdout})
	fmt.Println(r, err)
	if err == nil && r.ExitCode == 0 && r.Report.Keeps(sandbox.LimitProcesses) {
		return 40
	}
	return 0
}

// The kernel exempts root from the limit that does it for others.
func TestTheLimitOfProcessesIsNotPromisedToRootWithoutCgroups(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"=forker", "WS="+t.TempDir(), "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	switch code := cmd.ProcessState.ExitCode(); {
	case cmd.ProcessState == nil || code == 41:
		t.Skipf("no such container here: %v %s", err, out)
	case code != 0:
		t.Errorf("%v: %s", err, out)
	}
}

func TestTheLimitOfProcessors(t *testing.T) {
	s := open(t)
	if !s.Report().Keeps(sandbox.LimitCPU) {
		t.Skipf("nothing keeps it: %v", s.Report().Missing)
	}
	// Two that are busy for as long as the limit of time allows.
	r, _ := run(t, s, sandbox.Command{Limits: sandbox.Limits{CPU: 0.2, Time: 3 * time.Second}}, "trap 'kill %1; exit 0' INT; while :; do :; done & while :; do :; done")
	if share := r.CPU.Seconds() / r.Wall.Seconds(); share > 0.4 {
		t.Errorf("it had %.2f processors, and may have 0.2: %+v", share, r)
	}
}

func TestTheLimitOfTime(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		r, _ := run(t, s, sandbox.Command{Limits: sandbox.Limits{Time: 300 * time.Millisecond}}, "exec sleep 600")
		if r.Limit != "time" || r.Signal != syscall.SIGINT {
			t.Errorf("%+v", r)
		}
	})
}

func TestTheLimitOfBytes(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		limits := sandbox.Limits{Bytes: 8 << 20}
		if r, out := run(t, s, sandbox.Command{Limits: limits}, "exec head -c 20000000 /dev/zero > big"); r.Limit != "bytes" || r.Signal != syscall.SIGXFSZ {
			t.Errorf("one file: %+v %s", r, out)
		}
		if r, out := run(t, s, sandbox.Command{Limits: limits}, "i=0; while :; do head -c 1000000 /dev/zero > small$i; i=$((i+1)); sleep 0.05; done"); r.Limit != "bytes" || r.Signal != syscall.SIGKILL {
			t.Errorf("many files: %+v %s", r, out)
		}
		const hidden = `for n in 3 4 5 6 7; do eval "exec $n>f; rm f; head -c 4000000 /dev/zero >&$n"; done; exec sleep 600`
		if r, out := run(t, s, sandbox.Command{Limits: limits}, hidden); r.Limit != "bytes" || r.Signal != syscall.SIGKILL {
			t.Errorf("files without names: %+v %s", r, out)
		}
		if r, out := run(t, s, sandbox.Command{Limits: limits}, "head -c 4000000 /dev/zero > big; sleep 1.5"); r.Limit != "" || r.ExitCode != 0 {
			t.Errorf("what it may have: %+v %s", r, out)
		}
		if s.Report().Keeps(sandbox.View) {
			if r, out := run(t, s, sandbox.Command{Limits: limits}, "for i in 1 2 3 4 5 6 7 8 9; do head -c 1000000 /dev/zero > /tmp/$i || exit 9; done"); r.ExitCode != 9 || !strings.Contains(out, "No space") {
				t.Errorf("temporary files: %+v %s", r, out)
			}
		}
	})
}

func TestTheLimitOfInodes(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		const many = "i=0; while :; do : > f$i; i=$((i+1)); [ $((i%50)) = 0 ] && sleep 0.1; done"
		if r, out := run(t, s, sandbox.Command{Limits: sandbox.Limits{Inodes: 100}}, many); r.Limit != "inodes" {
			t.Errorf("%+v %s", r, out)
		}
		// What it makes at once is not taken for what was there.
		const soon = "for i in 1 2 3 4 5 6 7 8 9; do : > g$i; done; exec sleep 600"
		if r, out := run(t, s, sandbox.Command{Limits: sandbox.Limits{Inodes: 5, Time: time.Minute}}, soon); r.Limit != "inodes" {
			t.Errorf("right at its start: %+v %s", r, out)
		}
		const hidden = `n=3; while [ $n -lt 9 ]; do eval "exec $n>f; rm f"; n=$((n+1)); done; exec sleep 600`
		if r, out := run(t, s, sandbox.Command{Limits: sandbox.Limits{Inodes: 5, Time: time.Minute}}, hidden); r.Limit != "inodes" {
			t.Errorf("files without names: %+v %s", r, out)
		}
	})
}
