package fuzz

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// An input is in the store within 5 s of appearing, where the store can be reached.
const (
	lookEvery  = time.Second             // for artifacts that the engine did not tell of
	quickLook  = 2500 * time.Millisecond // what running an input again may take, where the engine says nothing of it
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// maxQueue bounds what waits for the store, with all that the engine said of it.
const maxQueue = 1000

// refusedPause is for how long nobody bothers a store that refuses for good.
const refusedPause = time.Minute

// found is a crash on its way into the store.
type found struct {
	name string // of the artifact
	kind FoundKind
	log  string
	seen time.Time
}

// keeper brings crashes into the store, one after the other, while the fuzzer goes
// on. An artifact stays where it is until it is there: whatever ends this process,
// the next attempt or the cache's sweep finds it.
type keeper struct {
	r      *running
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	triage *triage

	mu      sync.Mutex
	queue   []found
	known   map[string]bool                           // names that are queued
	hashes  map[string]bool                           // inputs that were kept
	recipe  func(file string) (command, env []string) // how an input is run again; nil while nobody knows
	more    chan struct{}                             // something was queued; holds one
	pending int                                       // queued and not done with
	why     error                                     // what the store refused an input for
	refused time.Time                                 // until when it is not asked again
	idle    chan struct{}                             // closed when nothing is pending; nil while nobody waits
}

func newKeeper(r *running) *keeper {
	k := &keeper{r: r, done: make(chan struct{}), known: map[string]bool{}, hashes: map[string]bool{}, more: make(chan struct{}, 1)}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.triage = newTriage(r)
	k.look()
	go k.work()
	return k
}

// found queues a crash that the engine tells of.
func (k *keeper) found(f Found) {
	k.add(found{name: filepath.Base(f.File), kind: f.Kind, log: f.Log, seen: time.Now()})
}

func (k *keeper) add(f found) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known[f.name] || len(k.queue) >= maxQueue {
		return // the next look finds it
	}
	k.known[f.name] = true
	k.queue = append(k.queue, f)
	k.pending++
	select {
	case k.more <- struct{}{}:
	default:
	}
}

// look queues what lies there without anybody having told of it: an earlier attempt
// was killed, or the engine's output was lost.
func (k *keeper) look() { k.lookFor(0) }

// lookFor is look for what has lain there for so long.
func (k *keeper) lookFor(age time.Duration) {
	k.mu.Lock()
	refused := time.Now().Before(k.refused)
	k.mu.Unlock()
	if refused {
		return
	}
	all, _, err := k.r.Place.artifacts()
	if err != nil {
		k.r.Log.Warn("cannot look for crashes", "harness", k.r.Harness.Name, "error", err)
		return
	}
	for _, info := range all {
		if time.Since(info.ModTime()) >= age {
			k.add(found{name: info.Name(), kind: kindByName(info.Name()), seen: info.ModTime()})
		}
	}
}

// kindByName tells the kind by the prefixes that libFuzzer gives artifacts.
func kindByName(name string) FoundKind {
	for prefix, kind := range map[string]FoundKind{"timeout-": FoundTimeout, "oom-": FoundMemory, "leak-": FoundLeak} {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			return kind
		}
	}
	return FoundCrash
}

func (k *keeper) work() {
	defer close(k.done)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-k.more:
		case <-tick.C:
			k.lookFor(lookEvery) // younger ones the engine may be about to tell of
		}
		for k.ctx.Err() == nil {
			f, ok := k.next()
			if !ok {
				break
			}
			if err := k.keep(f); err != nil && k.ctx.Err() == nil {
				k.r.Log.Error("a crash input cannot be kept", "harness", k.r.Harness.Name, "input", f.name, "error", err)
				k.r.note(fmt.Sprintf("the crash input %s was not kept: %v", f.name, err))
			}
			k.finished(f)
		}
	}
}

func (k *keeper) next() (found, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.queue) == 0 {
		return found{}, false
	}
	f := k.queue[0]
	k.queue = k.queue[1:]
	return f, true
}

// finished is done with f. An input that is found once more, under the same name,
// is queued again.
func (k *keeper) finished(f found) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, f.name)
	if k.pending--; k.pending == 0 && k.idle != nil {
		close(k.idle)
		k.idle = nil
	}
}

// settle waits until everything that was queued is in the store, or ctx is done.
func (k *keeper) settle(ctx context.Context) {
	k.mu.Lock()
	if k.pending == 0 {
		k.mu.Unlock()
		return
	}
	if k.idle == nil {
		k.idle = make(chan struct{})
	}
	idle := k.idle
	k.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// keep brings one input into the store, however often it takes.
func (k *keeper) keep(f found) error {
	data, err := k.r.Place.read(artifactsDir, f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the tool took it away again: it is its own
	}
	if err := resources(err); err != nil {
		return err // it is looked for again
	}
	if err != nil {
		k.r.Place.kept(f.name) // nor will it be readable later
		return err
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	if k.hashes[hash] {
		k.r.Place.kept(f.name)
		return nil
	}
	c := Crash{Input: data, Kind: f.kind, Log: f.log, Harness: k.r.Harness, Seen: f.seen}
	file := filepath.Join(k.r.Place.dir(artifactsDir), f.name)
	k.explain(&c, file)
	bug := k.r.Crashes.Identify(k.r.Harness.Name, c.Kind, c.Log, data)
	if err := k.store(bug, c); err != nil {
		k.mu.Lock()
		k.why, k.refused = err, time.Now().Add(refusedPause)
		k.mu.Unlock()
		return err
	}
	k.hashes[hash] = true
	k.r.Place.kept(f.name)
	f.log = c.Log
	if k.r.sighted(bug, f) {
		k.r.Log.Warn("crash found", "harness", k.r.Harness.Name, "crash", bug.ID, "what", bug.Title, "file", bug.File, "line", bug.Line, "input", hash)
		k.triage.add(bug, c, hash)
	}
	return nil
}

// explain adds to c what the engine says of it when it is run again, where nothing is
// known yet, and how that is done.
func (k *keeper) explain(c *Crash, file string) {
	if c.Log == "" || k.recipe == nil {
		again, err := k.r.Binary.Reproduce(k.ctx, file, quickLook)
		if err != nil {
			return // it is an input that crashed all the same
		}
		if again.Crashed && c.Log == "" {
			c.Log = again.Log
			if again.Kind != "" {
				c.Kind = again.Kind
			}
		}
		k.recipe = func(other string) ([]string, []string) {
			command := slices.Clone(again.Command)
			for i, word := range command {
				command[i] = strings.ReplaceAll(word, file, other)
			}
			return command, again.Env
		}
	}
	c.Command, c.Env = k.recipe(file)
}

// store keeps c, and tries until it can: nothing is lost while the store is away.
func (k *keeper) store(bug Bug, c Crash) error {
	wait := firstRetry
	for {
		err := k.r.Crashes.Keep(k.ctx, bug, c)
		if err == nil || !retryable(err) {
			return err
		}
		if wait == firstRetry {
			k.r.Log.Warn("a crash cannot be stored now; trying until it can", "harness", k.r.Harness.Name, "crash", bug.ID, "error", err)
		}
		select {
		case <-k.ctx.Done():
			return errors.Join(k.ctx.Err(), err)
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
}

// stop ends the keeper's work; what is not in the store stays where it is.
func (k *keeper) stop() {
	k.cancel()
	<-k.done
}
