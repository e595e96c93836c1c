package fuzz

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"sync"
	"time"
)

// What looking into one bug may take.
const (
	reproductions  = 3
	reproduceLimit = 20 * time.Second // for one run of the input
	minimiseBudget = 30 * time.Second
)

// maxTriage is how many bugs of one campaign are looked into. Where there are more,
// the first ones have to be fixed first.
const maxTriage = 50

// triage looks into the first input of each bug, one after the other, beside the
// fuzzer: whether it crashes each time, and whether a smaller one does too.
type triage struct {
	r      *running
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	queue []suspect
	busy  bool
	count int
}

type suspect struct {
	bug  Bug
	c    Crash
	hash string
}

func newTriage(r *running) *triage {
	t := &triage{r: r}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

func (t *triage) add(bug Bug, c Crash, hash string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count++; t.count > maxTriage {
		return
	}
	t.queue = append(t.queue, suspect{bug, c, hash})
	if !t.busy {
		t.busy = true
		t.wg.Go(t.work)
	}
}

func (t *triage) work() {
	for {
		t.mu.Lock()
		if len(t.queue) == 0 || t.ctx.Err() != nil {
			t.busy = false
			t.mu.Unlock()
			return
		}
		s := t.queue[0]
		t.queue = t.queue[1:]
		t.mu.Unlock()
		if err := t.look(s); err != nil && t.ctx.Err() == nil {
			t.r.Log.Warn("cannot look into a crash; its input is kept", "harness", t.r.Harness.Name, "crash", s.bug.ID, "error", err)
		}
	}
}

// look runs the input again, and then tries to make a smaller one of it. The tool
// may have changed what lies in its workspace: what is run is written anew.
func (t *triage) look(s suspect) error {
	if err := t.r.Place.write(triageDir, s.hash, s.c.Input); err != nil {
		return err
	}
	file := filepath.Join(t.r.Place.dir(triageDir), s.hash)
	for range reproductions {
		again, err := t.r.Binary.Reproduce(t.ctx, file, reproduceLimit)
		if err != nil || t.ctx.Err() != nil {
			return err
		}
		s.c.Tried++
		if again.Crashed {
			s.c.Reproduced++
			s.c.Command, s.c.Env = again.Command, again.Env
		}
	}
	t.r.tried(s.bug.ID, s.c.Tried, s.c.Reproduced)
	if err := t.r.Crashes.Keep(t.ctx, s.bug, s.c); err != nil || s.c.Reproduced == 0 {
		return err
	}
	return t.minimise(s, file)
}

// minimise keeps a smaller input beside the first one, if it shows the same bug.
func (t *triage) minimise(s suspect, file string) error {
	name := s.hash + ".min"
	ok, err := t.r.Binary.Minimise(t.ctx, file, filepath.Join(t.r.Place.dir(triageDir), name), minimiseBudget)
	if !ok || err != nil {
		return err
	}
	data, err := t.r.Place.read(triageDir, name)
	if err != nil || len(data) >= len(s.c.Input) {
		return err
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	if err := t.r.Place.write(triageDir, hash, data); err != nil { // not what the tool makes of it meanwhile
		return err
	}
	small := s.c
	small.Input, small.Smaller, small.Tried, small.Reproduced = data, s.hash, 0, 0
	for range reproductions {
		again, err := t.r.Binary.Reproduce(t.ctx, filepath.Join(t.r.Place.dir(triageDir), hash), reproduceLimit)
		if err != nil || t.ctx.Err() != nil {
			return err
		}
		small.Tried++
		if !again.Crashed || t.r.Crashes.Identify(t.r.Harness.Name, again.Kind, again.Log, data).ID != s.bug.ID {
			return nil // another bug, or one that comes and goes
		}
		small.Reproduced++
		small.Log, small.Command, small.Env = again.Log, again.Command, again.Env
	}
	return t.r.Crashes.Keep(t.ctx, s.bug, small)
}

// wait waits for what is under way and queued, until ctx is done.
func (t *triage) wait(ctx context.Context) {
	stop := context.AfterFunc(ctx, t.cancel)
	defer stop()
	t.wg.Wait()
}

// stop ends the work at once.
func (t *triage) stop() {
	t.cancel()
	t.wg.Wait()
}
