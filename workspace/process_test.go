package workspace_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

// The test binary run again is the second process. It reads one command a line
// and answers each with one line.
const childEnv = "CORDON_TEST_CACHE"

func TestMain(m *testing.M) {
	if top := os.Getenv(childEnv); top != "" {
		if err := child(top); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type command struct {
	Op, ID, Run, Mode string
}

type answer struct {
	Path string
	Kind cordon.Kind
	Err  string
}

func child(top string) error {
	store, err := dir.Open(filepath.Join(top, "store"))
	if err != nil {
		return err
	}
	c, err := workspace.Open(workspace.Options{Dir: filepath.Join(top, "cache"), Store: store, MaxSize: cordon.BytesOf(200 << 20),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	defer c.Close()
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var cmd command
		if err := json.Unmarshal(in.Bytes(), &cmd); err != nil {
			return err
		}
		var a answer
		var err error
		ctx := context.Background()
		switch cmd.Op {
		case "get":
			var ws workspace.Workspace
			ws, err = c.Get(ctx, request(cmd.ID, cmd.Run, cordon.Mode(cmd.Mode)))
			a.Path = ws.Path
		case "cleanup":
			_, err = c.Cleanup(ctx, cmd.ID, workspace.Caller{Run: cmd.Run})
		case "sweep":
			_, err = c.Sweep(ctx, workspace.SweepOptions{})
		case "scratch":
			var dir *workspace.Scratch
			if dir, err = c.Scratch(ctx, "a tool's output", 1<<20, 10); err == nil {
				a.Path = dir.Dir()
			}
		case "write":
			err = os.WriteFile(cmd.ID, []byte("overwritten"), 0o644)
		}
		if err != nil {
			a.Kind, a.Err = cordon.KindOf(err), err.Error()
			if errors.Is(err, os.ErrPermission) {
				a.Kind = cordon.PermissionDenied
			}
		}
		b, _ := json.Marshal(a)
		fmt.Println(string(b))
	}
	return nil
}

type process struct {
	t   *testing.T
	cmd *exec.Cmd
	in  *json.Encoder
	out *bufio.Scanner
}

func (b *bench) process(change ...func(*exec.Cmd)) *process {
	b.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+b.top)
	for _, f := range change {
		f(cmd)
	}
	in, err := cmd.StdinPipe()
	must(b.t, err)
	out, err := cmd.StdoutPipe()
	must(b.t, err)
	must(b.t, cmd.Start())
	p := &process{b.t, cmd, json.NewEncoder(in), bufio.NewScanner(out)}
	b.t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended by itself
	_ = p.cmd.Wait()
}

// do sends a command and returns its answer; ok is false if the process died.
func (p *process) do(cmd command) (a answer, ok bool) {
	if p.in.Encode(cmd) != nil || !p.out.Scan() {
		return answer{}, false
	}
	return a, json.Unmarshal(p.out.Bytes(), &a) == nil
}

func TestProcesses(t *testing.T) {
	t.Run("several processes ask for one cold target: one download", func(t *testing.T) {
		b := newBench(t)
		big := tree{"blob": string(random(1, 4<<20)), "main.py": "x"}
		b.put("T", big.tarball(t))
		var wg sync.WaitGroup
		for i := range 4 {
			p := b.process()
			wg.Go(func() {
				for n := range 3 {
					a, ok := p.do(command{"get", "T", name("run-%d-%d", i, n), "shared"})
					if !ok || a.Err != "" {
						t.Errorf("process %d: %+v", i, a)
						return
					}
					mustBeTree(t, a.Path, big)
				}
			})
		}
		wg.Wait()
		// One staging directory was published, so one record and its holds exist.
		if e := b.entries(); len(e) != 1 || len(e["T/workspace"].Holders) != 12 {
			t.Errorf("entries = %+v", e)
		}
	})

	t.Run("a hold of a living process is live, of a dead one it still counts", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		p := b.process()
		p.do(command{"get", "T", "R", "shared"})
		if h := b.entries()["T/workspace"].Holders; len(h) != 1 || !h[0].Live {
			t.Errorf("holders = %+v", h)
		}
		p.kill()
		if h := b.entries()["T/workspace"].Holders; len(h) != 1 || h[0].Live {
			t.Errorf("holders = %+v", h)
		}
	})

	t.Run("a shared tree refuses a writer that is not root", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("needs root to become another user")
		}
		b := newBench(t)
		must(t, os.Chmod(b.top, 0o755))
		must(t, os.Chmod(filepath.Dir(b.top), 0o755))
		b.put("T", project.tarball(t))
		ws := b.get("T", "R", cordon.Shared)
		must(t, os.Chmod(b.path(".cordon"), 0o700))
		refused := func(why string) {
			t.Helper()
			cmd := exec.Command("/bin/sh", "-c", "echo x > main.py; echo x > new; rm pkg/run.sh; mv pkg other; cat main.py")
			cmd.Dir = ws.Path
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			out, err := cmd.CombinedOutput()
			must(t, err)
			if n := strings.Count(string(out), why); n != 4 {
				t.Errorf("%d of 4 attempts were refused with %q:\n%s", n, why, out)
			}
			mustBeTree(t, ws.Path, project)
		}
		if mayMount(t) {
			refused("Read-only file system")
			mountstest.UnmountBelow(t, b.opts.Dir)
		}
		refused("ermission denied") // by modes, where there is no mount
	})
}

var killRounds = flag.Int("kill-rounds", 30, "rounds of TestKill, of three kills each")

// TestKill kills processes at random points of everything they do. Afterwards
// every target must be had complete, and one sweep must leave nothing behind.
func TestKill(t *testing.T) {
	rounds := *killRounds
	if testing.Short() {
		rounds = 5
	}
	b := newBench(t)
	targets := map[string]tree{}
	for i := range 3 {
		id := name("T%d", i)
		targets[id] = tree{"blob": string(random(byte(i), 2<<20)), "id": id, "d": "dir", "d/e": "dir", "d/e/f": id}
		for n := range 40 {
			targets[id][name("d/e/file-%d", n)] = strings.Repeat(id, n)
		}
		b.put(id, targets[id].tarball(t))
	}
	kills := 0
	for round := range rounds {
		procs := []*process{b.process(), b.process(), b.process()}
		var wg sync.WaitGroup
		for i, p := range procs {
			r := rand.New(rand.NewPCG(uint64(round), uint64(i)))
			wg.Go(func() {
				for n := 0; ; n++ {
					id, run, mode := name("T%d", r.IntN(3)), name("run-%d", r.IntN(4)), modes[r.IntN(3)]
					a, ok := p.do(command{"get", id, run, string(mode)})
					if !ok {
						return
					}
					if a.Err != "" && a.Kind != cordon.Busy && a.Kind != cordon.InvalidArgument {
						t.Errorf("get: %+v", a)
					}
					op := command{Op: "cleanup", ID: a.Path, Run: run}
					if r.IntN(4) == 0 {
						op.Op = "sweep"
					}
					if _, ok := p.do(op); !ok {
						return
					}
				}
			})
		}
		for _, p := range procs {
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			p.kill()
			kills++
		}
		wg.Wait()
		for _, mode := range modes {
			for id, want := range targets {
				ws, err := b.cache.Get(t.Context(), request(id, name("check-%d-%s", round, mode), mode))
				must(t, err)
				mustBeTree(t, ws.Path, want)
				b.cleanup(ws.Path, name("check-%d-%s", round, mode))
			}
		}
		if t.Failed() {
			t.Fatalf("after round %d", round)
		}
	}
	b.sweep()
	b.mustBeTidy()
	t.Logf("%d kills", kills)
	known := b.entries()
	// What is mounted is what runs hold, no less and no more.
	mounted := map[string]bool{}
	for _, m := range b.mounts() {
		mounted[m] = true
		if len(known[m].Holders) == 0 {
			t.Errorf("%s is mounted, and nobody holds it", m)
		}
	}
	for path, e := range known {
		if e.Driver == "overlay" && e.Kind == workspace.KindRun && !mounted[path] {
			t.Errorf("%s is held, and not mounted", path)
		}
	}
	// What is on disk is what is recorded: no directory without a record.
	for id := range targets {
		names, _ := os.ReadDir(b.path(id))
		for _, n := range names {
			rel := filepath.Join(id, n.Name())
			if known[rel].Key == "" && known[rel+"/workspace"].Key == "" && !(n.Name() == "target" && known[id+"/workspace"].Key != "") {
				t.Errorf("%s has no record", rel)
			}
		}
	}
}
