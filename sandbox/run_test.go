package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/sandbox"
)

func TestACommandRunsInItsWorkspace(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		ws := t.TempDir()
		r, out := run(t, s, sandbox.Command{Workspace: ws, Env: []string{"A=b"}}, "pwd; echo $A; echo made > made; exit 7")
		if r.ExitCode != 7 || r.Signal != 0 || r.Limit != "" || out != ws+"\nb" {
			t.Errorf("%+v, and printed %q", r, out)
		}
		if made, err := os.ReadFile(filepath.Join(ws, "made")); err != nil || string(made) != "made\n" {
			t.Errorf("made %q, %v", made, err)
		}
		if st, err := os.Stat(filepath.Join(ws, "made")); err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
			t.Errorf("what it made is not ours: %v, %v", st, err)
		}
		if r.Wall <= 0 || r.MaxRSS <= 0 || r.Report.Tier != s.Report().Tier {
			t.Errorf("%+v", r)
		}
	})
}

func TestHowAToolDiesIsSeenThroughTheInit(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		for script, want := range map[string]sandbox.Result{
			"kill -ABRT $$":            {ExitCode: -1, Signal: syscall.SIGABRT},
			"kill -SEGV $$":            {ExitCode: -1, Signal: syscall.SIGSEGV},
			"kill -KILL $$":            {ExitCode: -1, Signal: syscall.SIGKILL},
			"exit 255":                 {ExitCode: 255},
			"kill -KILL $PPID; :":      {},
			"exec 1>&- 2>&-; exit 3":   {ExitCode: 3},
			"sh -c 'kill -ABRT $$'":    {ExitCode: 128 + 6},
			"(sleep 60 &) ; exit 0":    {},
			"setsid sleep 60 & exit 0": {},
		} {
			if script == "kill -KILL $PPID; :" && s.Report().Tier == sandbox.None {
				continue // a promise that this tier does not make
			}
			r, out := run(t, s, sandbox.Command{}, script)
			if r.ExitCode != want.ExitCode || r.Signal != want.Signal || r.Limit != "" {
				t.Errorf("%s: %+v, and printed %q", script, r, out)
			}
		}
	})
}

func TestNothingOfTheWorkersEnvironmentIsInherited(t *testing.T) {
	t.Setenv("CORDON_SECRET_KEY", "hunter2")
	s := open(t)
	_, out := run(t, s, sandbox.Command{Env: []string{"LANG=C", "MINE=1"}}, "exec env")
	got := strings.Split(out, "\n")
	got = slices.DeleteFunc(got, func(v string) bool { return strings.HasPrefix(v, "PWD=") }) // the shell's own
	slices.Sort(got)
	want := []string{"HOME=/tmp", "LANG=C", "MINE=1", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR=/tmp"}
	if s.Report().Tier.AtLeast(sandbox.Rootless) && !slices.Equal(got, want) {
		t.Errorf("the environment is %q", got)
	}
	if strings.Contains(out, "hunter2") {
		t.Error("a secret is inherited")
	}
}

func TestWhatCannotBeRunIsAnError(t *testing.T) {
	s := open(t)
	ws := t.TempDir()
	plain := filepath.Join(ws, "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		c    sandbox.Command
		is   error
		says string
	}{
		"no program":          {sandbox.Command{Workspace: ws}, nil, "no program is named"},
		"no such program":     {sandbox.Command{Workspace: ws, Args: []string{"no-such-tool"}}, fs.ErrNotExist, "no-such-tool"},
		"no such path":        {sandbox.Command{Workspace: ws, Args: []string{"/no/such"}}, fs.ErrNotExist, "/no/such"},
		"no program file":     {sandbox.Command{Workspace: ws, Args: []string{plain}}, fs.ErrPermission, "plain"},
		"no such directory":   {sandbox.Command{Workspace: ws, Dir: ws + "/none", Args: []string{"true"}}, fs.ErrNotExist, "true"},
		"no such workspace":   {sandbox.Command{Workspace: ws + "/none", Args: []string{"true"}}, fs.ErrNotExist, "none"},
		"a relative path":     {sandbox.Command{Workspace: "ws", Args: []string{"true"}}, nil, "absolute"},
		"the whole system":    {sandbox.Command{Workspace: ws, Readable: []string{"/"}, Args: []string{"true"}}, nil, "whole"},
		"no variable":         {sandbox.Command{Workspace: ws, Env: []string{"x"}, Args: []string{"true"}}, nil, "NAME=value"},
		"less than no memory": {sandbox.Command{Workspace: ws, Limits: sandbox.Limits{Memory: -1}, Args: []string{"true"}}, nil, "limit"},
	} {
		_, err := s.Run(context.Background(), c.c)
		if err == nil || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Run(ctx, sandbox.Command{Workspace: ws, Args: []string{"true"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is done: %v", err)
	}
}

func TestALotOfOutputAndInput(t *testing.T) {
	in := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	var out bytes.Buffer
	r, err := open(t).Run(context.Background(), sandbox.Command{Args: []string{"cat"}, Workspace: t.TempDir(), Stdin: bytes.NewReader(in), Stdout: &out})
	if err != nil || r.ExitCode != 0 || !bytes.Equal(out.Bytes(), in) {
		t.Errorf("%+v, %v, %d bytes of %d", r, err, out.Len(), len(in))
	}
}

func TestFiftyAtOnceHaveAUserEach(t *testing.T) {
	s := open(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	users := map[string]int{}
	for range 50 {
		ws := t.TempDir()
		all.Go(func() {
			var out bytes.Buffer
			// Whoever ends first would give its user to one that has not begun.
			r, err := s.Run(context.Background(), sandbox.Command{Args: []string{"sh", "-c", "id -u; sleep 3"}, Workspace: ws, Stdout: &out})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || r.ExitCode != 0 {
				t.Errorf("%+v, %v", r, err)
			}
			users[strings.TrimSpace(out.String())]++
		})
	}
	all.Wait()
	if s.Report().Keeps(sandbox.OwnUser) && len(users) < 5 {
		t.Errorf("the users are %v", users)
	}
	for u := range users {
		if n, _ := strconv.Atoi(u); s.Report().Keeps(sandbox.OwnUser) && n == os.Getuid() {
			t.Errorf("user %s is the worker's", u)
		}
	}
}

func TestTwoThatRunTogetherHaveDifferentUsers(t *testing.T) {
	s := open(t)
	if !s.Report().Keeps(sandbox.OwnUser) {
		t.Skipf("no users here: %v", s.Report().Missing)
	}
	var first bytes.Buffer
	ready, wait, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	p, err := s.Start(context.Background(), sandbox.Command{Args: []string{"sh", "-c", "id -u; read x"}, Workspace: t.TempDir(), Stdin: ready, Stdout: &first})
	if err != nil {
		t.Fatal(err)
	}
	_, second := run(t, s, sandbox.Command{}, "id -u")
	wait.Close()
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(first.String()) == second {
		t.Errorf("both are user %s", second)
	}
}

func TestAPathThatAToolMayHaveMadeIsNotFollowed(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		if !s.Report().Keeps(sandbox.View) {
			t.Skip("there is no view")
		}
		ws, outside := t.TempDir(), t.TempDir()
		if err := os.WriteFile(filepath.Join(outside, "secret"), []byte(secret), 0o644); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(ws, "link")
		if err := os.Symlink(outside, link); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]sandbox.Command{
			"a writable one": {Workspace: ws, Writable: []string{link}},
			"a readable one": {Workspace: ws, Readable: []string{link}},
			"what is in it":  {Workspace: ws, Readable: []string{link + "/secret"}},
			"the workspace":  {Workspace: link},
		} {
			var out bytes.Buffer
			c.Args, c.Stdout = []string{"cat", link + "/secret"}, &out
			if r, err := s.Run(context.Background(), c); err == nil || out.Len() > 0 {
				t.Errorf("%s: %+v, %q", name, r, &out)
			}
		}
	})
}

func TestTheNetworkIsThereWhereAskedFor(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		_, out := run(t, s, sandbox.Command{Network: true}, "cat /proc/net/route /proc/net/dev | wc -l; test -s /etc/hosts && echo hosts")
		if !strings.Contains(out, "hosts") {
			t.Errorf("there is no /etc/hosts: %s", out)
		}
		f := newField(t)
		a := attacks[slices.IndexFunc(attacks, func(a attack) bool { return a.name == "connect to the loopback" })]
		program := attacker(t)
		r, err := s.Run(context.Background(), sandbox.Command{Args: []string{program}, Workspace: f.Mine, Readable: []string{program}, Network: true, Env: a.env(t, f)})
		if err != nil || r.ExitCode != succeeded {
			t.Errorf("it cannot connect: %+v, %v", r, err)
		}
	})
}

func TestSanitizersWorkInside(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc is installed")
	}
	ws := t.TempDir()
	source := filepath.Join(ws, "leak.c")
	if err := os.WriteFile(source, []byte("#include <stdlib.h>\nint main(int c, char **v) { char *p = malloc(c); p[c > 1 ? c : 0] = 1; p = 0; return 0; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(ws, "leak")
	if out, err := exec.Command(gcc, "-O0", "-fsanitize=address", "-o", program, source).CombinedOutput(); err != nil {
		t.Skipf("gcc has no sanitizers: %v\n%s", err, out)
	}
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		// Finding leaks needs ptrace, and address randomisation off may need personality.
		if r, out := run(t, s, sandbox.Command{Workspace: ws}, "exec ./leak"); r.ExitCode == 0 || !strings.Contains(out, "detected memory leaks") {
			t.Errorf("no leak is found: %+v\n%s", r, out)
		}
		if r, out := run(t, s, sandbox.Command{Workspace: ws}, "exec ./leak overflow"); r.ExitCode == 0 || !strings.Contains(out, "heap-buffer-overflow") {
			t.Errorf("no overflow is found: %+v\n%s", r, out)
		}
		if r, out := run(t, s, sandbox.Command{Workspace: ws}, "exec setarch -R true"); r.ExitCode != 0 {
			t.Errorf("personality is refused: %+v %s", r, out)
		}
	})
}

func TestATierCanBeRequired(t *testing.T) {
	_, err := sandbox.New(sandbox.Only(sandbox.Options{StateDir: t.TempDir(), MinTier: sandbox.Full}, sandbox.None))
	if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "own-user") || !strings.Contains(cordon.FixOf(err), "CORDON_MIN_ISOLATION") {
		t.Errorf("where full is required: %v", err)
	}
	if _, err := sandbox.New(sandbox.Options{StateDir: t.TempDir(), MinTier: "best"}); cordon.KindOf(err) != cordon.InvalidArgument {
		t.Errorf("where nobody knows what is required: %v", err)
	}
	for _, name := range []string{"full", " Rootless", "LANDLOCK", "none"} {
		if _, err := sandbox.ParseTier(name); err != nil {
			t.Error(err)
		}
	}
	if tier, err := sandbox.ParseTier("best"); err == nil || !strings.Contains(err.Error(), "full, rootless, landlock, none") {
		t.Errorf("%q, %v", tier, err)
	}
	if !sandbox.Full.AtLeast(sandbox.Rootless) || sandbox.None.AtLeast(sandbox.Landlock) || !sandbox.Landlock.AtLeast(sandbox.Landlock) {
		t.Error("the tiers are out of order")
	}
}
