package corpus_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/target/dir"
)

// pusher names the store of a process that finds inputs and pushes them, merges now
// and then, and says on a line of its own what is stored; pusherID is its number, and
// pusherRounds how often, 0 for ever.
const (
	pusher       = "CORDON_TEST_CORPUS_STORE"
	pusherID     = "CORDON_TEST_CORPUS_ID"
	pusherRounds = "CORDON_TEST_CORPUS_ROUNDS"
)

func TestMain(m *testing.M) {
	if root := os.Getenv(pusher); root != "" {
		if err := beRun(root); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// beRun is a run in a process of its own. Its directory is below the store's.
func beRun(root string) error {
	ctx := context.Background()
	rounds, err := strconv.Atoi(os.Getenv(pusherRounds))
	if err != nil {
		return err
	}
	b, err := dir.Open(root)
	if err != nil {
		return err
	}
	ws := filepath.Join(root, "workspace-"+os.Getenv(pusherID))
	if err := os.MkdirAll(ws, 0o755); err != nil {
		return err
	}
	r, err := os.OpenRoot(ws)
	if err != nil {
		return err
	}
	o := quiet
	o.TempDir = root
	c := corpus.Open(b, name, o)
	for round := 0; rounds == 0 || round < rounds; round++ {
		if _, err := c.Pull(ctx, r); err != nil {
			return err
		}
		var fresh []string
		for n := range 5 {
			in := fmt.Sprintf("%s/%d/%d/%d", os.Getenv(pusherID), os.Getpid(), round, n)
			fresh = append(fresh, in)
			if err := os.WriteFile(filepath.Join(ws, strings.ReplaceAll(in, "/", "-")), []byte(in), 0o644); err != nil {
				return err
			}
		}
		if _, err := c.Push(ctx, r); err != nil {
			return err
		}
		for _, in := range fresh {
			fmt.Println(in)
		}
		if round%3 == 2 {
			if _, err := c.Merge(ctx, r); err != nil {
				return err
			}
			if _, err := c.Prune(ctx, corpus.Retention{Grace: time.Nanosecond, Keep: 1}); err != nil {
				return err
			}
		}
	}
	return nil
}

func startRun(t *testing.T, root string, id, rounds int) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), pusher+"="+root, fmt.Sprintf("%s=%d", pusherID, id), fmt.Sprintf("%s=%d", pusherRounds, rounds))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// said are the inputs that processes have said are stored.
type said struct {
	sync.Mutex
	inputs []string
}

func (s *said) listen(lines *bufio.Scanner) {
	for lines.Scan() {
		s.add(lines.Text())
	}
}

func (s *said) add(input string) {
	s.Lock()
	defer s.Unlock()
	s.inputs = append(s.inputs, input)
}

func (s *said) check(t *testing.T, root string) {
	t.Helper()
	b, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	got := stored(t, b)
	lost := 0
	for _, in := range s.inputs {
		if !got[in] {
			lost++
		}
	}
	if lost > 0 || len(s.inputs) == 0 {
		t.Errorf("%d of %d inputs are lost", lost, len(s.inputs))
	}
}

// Merges here keep everything, and prunes have next to no grace: nothing that
// somebody was told is stored may ever be missing.
func TestEightRunsAtOnceLoseNothing(t *testing.T) {
	root := t.TempDir()
	var all said
	var wg sync.WaitGroup
	for id := range 8 {
		cmd, lines := startRun(t, root, id, 7)
		wg.Go(func() {
			all.listen(lines)
			if err := cmd.Wait(); err != nil {
				t.Errorf("run %d: %v", id, err)
			}
		})
	}
	wg.Wait()
	if len(all.inputs) != 8*7*5 {
		t.Errorf("the runs have pushed %d inputs", len(all.inputs))
	}
	all.check(t, root)
}

func TestRunsThatAreKilledLoseNothingThatWasPushed(t *testing.T) {
	root := t.TempDir()
	var all said
	for round := range 10 {
		var wg sync.WaitGroup
		for id := range 2 {
			cmd, lines := startRun(t, root, id, 0)
			if !lines.Scan() {
				t.Fatal("the run does nothing")
			}
			first := lines.Text()
			wg.Go(func() {
				all.add(first)
				all.listen(lines)
				_ = cmd.Wait() // it was killed
			})
			time.AfterFunc(time.Duration(round*17+id*5)*time.Millisecond, func() { _ = cmd.Process.Kill() }) // that it ended of itself shows below
		}
		wg.Wait()
	}
	all.check(t, root)
	if fd, err := unix.Open(root, unix.O_TMPFILE|unix.O_RDWR, 0o600); err == nil { // else a pack has a name for an instant
		_ = unix.Close(fd) // nothing is in it
		if left, err := filepath.Glob(filepath.Join(root, "cordon-pack-*")); err != nil || len(left) > 0 {
			t.Errorf("left over: %q, %v", left, err)
		}
	}
	b, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(t, b, quiet)
	r.find(t, "last")
	r.push(t)
	if left, err := filepath.Glob(filepath.Join(root, "fuzzing", ".put-*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %q, %v", left, err)
	}
}
