package gofuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

const (
	// minimising is how long Go may look for a smaller input of one crash, or of
	// one new input, during which nothing else is tried. Its own default is a minute,
	// and inputs of slow harnesses take all of it; a fast harness is run a thousand
	// times in this.
	minimising = 500 * time.Millisecond

	// beyond is how long after its time a fuzzer may go on by itself: it waits for
	// the inputs that are being run.
	beyond = hang + 3*time.Second
)

// session is one call of Fuzz.
type session struct {
	*binary
	fuzz.Session
	limits
	room              *room
	corpus, artifacts *scratch.Folder

	had    map[string]bool // what was in the cache when the fuzzer was started, or has been copied from there
	seeded map[string]bool // what was in seeds

	stats  fuzz.Stats // of the attempts that are over
	warmed int64      // executions among them that ran what was there before
}

// Fuzz implements fuzz.Binary.
func (b *binary) Fuzz(ctx context.Context, s fuzz.Session) (fuzz.Ended, error) {
	if ctx.Err() != nil {
		return fuzz.Ended{}, nil
	}
	if s.Jobs < 1 {
		s.Jobs = 1
	}
	run := &session{binary: b, Session: s, limits: limits{s.InputTimeout, s.Memory}.orDefault(),
		had: make(map[string]bool), seeded: make(map[string]bool)}
	b.memory.Store(run.limits.memory) // what took more shall do so when it is reproduced
	var err error
	if run.corpus, err = b.open(s.Corpus); err != nil {
		return fuzz.Ended{}, err
	}
	defer run.corpus.Close()
	if run.artifacts, err = b.open(s.Artifacts); err != nil {
		return fuzz.Ended{}, err
	}
	defer run.artifacts.Close()
	if run.room, err = b.newRoom(); err != nil {
		return fuzz.Ended{}, err
	}
	defer run.room.close()
	if err := run.fill(ctx); err != nil {
		if ctx.Err() != nil {
			return fuzz.Ended{}, nil
		}
		return fuzz.Ended{}, err
	}
	return run.fuzz(ctx)
}

// fill copies the corpus and the project's seeds into the room.
func (s *session) fill(ctx context.Context) error {
	names, err := s.corpus.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.take(ctx, s.corpus, name, s.room.cache, s.had); err != nil {
			return err
		}
	}
	seeds, err := s.open(filepath.Join(s.pkg, "testdata", "fuzz", s.function))
	if err != nil {
		return nil // most projects have none
	}
	defer seeds.Close()
	if names, err = seeds.Names(); err != nil {
		return err
	}
	for _, name := range names {
		if err := s.take(ctx, seeds, name, s.room.seeds, s.seeded); err != nil {
			return err
		}
	}
	return nil
}

// take copies one input, in Go's format. What is none is passed over.
func (s *session) take(ctx context.Context, from *scratch.Folder, name string, to *scratch.Folder, set map[string]bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	data, err := from.Read(name, scratch.MaxInput)
	if err != nil {
		return nil
	}
	if !isEncoded(data) {
		t, err := s.traits(ctx)
		if err != nil {
			return err
		}
		var ok bool
		if data, ok = t.encoded(data); !ok {
			return nil
		}
	}
	set[name] = true
	return to.Write(name, data)
}

// fuzz runs the fuzzer until the session is over: again, after an input that was
// there before has crashed.
func (s *session) fuzz(ctx context.Context) (fuzz.Ended, error) {
	began := time.Now()
	until, cancel := within(ctx, s.Duration)
	defer cancel()
	for {
		p := newProgress()
		exit, err := s.attempt(ctx, until, p, s.Duration-time.Since(began))
		now := s.add(p)
		if err != nil {
			return fuzz.Ended{Stats: now}, err
		}
		again, crashed, err := s.outcome(ctx, p)
		if err != nil {
			return fuzz.Ended{Stats: now}, err
		}
		now.Crashes = s.stats.Crashes
		ended := fuzz.Ended{Stats: now, Crashed: crashed}
		over := s.Duration > 0 && time.Since(began) >= s.Duration || s.Runs > 0 && now.Executions >= s.Runs
		switch {
		case crashed && !again, ctx.Err() != nil:
			return ended, nil
		case over || !again && exit.Code == 0 && p.started() && (s.Duration > 0 || s.Runs > 0):
			ended.Limit, ended.Crashed = true, false
			return ended, nil
		case !again:
			return ended, s.died(exit, p)
		}
		s.stats, s.warmed = now, 0
	}
}

// attempt runs the fuzzer once, for the time that is left or until then. While it
// runs, new inputs are copied to the corpus and the session's caller is told how far it is.
func (s *session) attempt(ctx, until context.Context, p *progress, left time.Duration) (fuzz.Exit, error) {
	args := []string{"-test.run=^$", "-test.fuzz=" + exactly(s.function), "-test.fuzzcachedir=" + s.room.cacheAbove.Path,
		"-test.parallel=" + strconv.Itoa(s.Jobs), "-test.fuzzminimizetime=" + minimising.String()}
	stop, cancel := until, context.CancelFunc(func() {})
	if s.Runs > 0 {
		t, err := s.traits(until)
		if err != nil {
			if until.Err() != nil {
				return fuzz.Exit{}, nil
			}
			return fuzz.Exit{}, err
		}
		s.warmed = t.seeds + int64(len(s.had)+len(s.seeded)) // Go counts these
		args = append(args, fmt.Sprintf("-test.fuzztime=%dx", s.warmed+max(1, s.Runs-s.stats.Executions)))
	} else if s.Duration > 0 {
		// By its own clock it ends without losing what it is about; ours is for one that does not.
		args = append(args, "-test.fuzztime="+max(time.Millisecond, left).String())
		stop, cancel = context.WithTimeout(ctx, left+beyond)
	}
	defer cancel()

	c := s.command(s.room, s.limits, args...)
	c.Stdout, c.Stderr = p, p
	type result struct {
		fuzz.Exit
		error
	}
	done := make(chan result, 1)
	go func() {
		exit, err := s.run.Run(stop, c)
		done <- result{exit, err}
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.harvest()
			if s.Report != nil {
				s.Report(s.add(p))
			}
		case r := <-done:
			p.flush()
			s.harvest()
			return r.Exit, r.error
		}
	}
}

// add adds what the fuzzer says now to what it has done before.
func (s *session) add(p *progress) fuzz.Stats {
	now, before := p.snapshot(), s.stats
	now.Executions = before.Executions + max(0, now.Executions-s.warmed)
	now.Crashes = before.Crashes
	now.Coverage = max(now.Coverage, before.Coverage)
	if now.LastNew.IsZero() {
		now.LastNew = before.LastNew
	}
	return now
}

// harvest copies what is new in the cache to the corpus. What cannot be copied now is
// tried again the next time.
func (s *session) harvest() {
	names, err := s.room.cache.Names()
	if err != nil {
		return
	}
	for _, name := range names {
		if s.had[name] {
			continue
		}
		data, err := s.room.cache.Read(name, scratch.MaxInput)
		// One that Go is still writing has no line's end, or not enough lines.
		if _, bad := decode(data); err != nil || bad != nil || !bytes.HasSuffix(data, []byte("\n")) {
			continue
		}
		if s.corpus.Write(name, data) == nil {
			s.had[name] = true
		}
	}
}

// outcome looks for the input that ended the fuzzer, and tells of it. again is true
// where the session can go on without that input.
func (s *session) outcome(ctx context.Context, p *progress) (again, crashed bool, err error) {
	names, err := s.room.seeds.Names()
	if err != nil {
		return false, false, err
	}
	for _, name := range names {
		if s.seeded[name] {
			continue
		}
		// One that is there since before: the crash was made of it without a change.
		if !p.warmedUp() && s.had[p.parent] {
			delete(s.had, p.parent)
			again = true
			if err := s.room.cache.RemoveAll(p.parent); err != nil {
				return false, false, err
			}
		}
		if err := s.tell(ctx, s.room.seeds, name, p); err != nil {
			return false, false, err
		}
		if err := s.room.seeds.RemoveAll(name); err != nil {
			return false, false, err
		}
		crashed = true
	}
	if crashed || p.seed == "" {
		return again, crashed, nil
	}
	switch {
	case s.seeded[p.seed]:
		if err := s.tell(ctx, s.room.seeds, p.seed, p); err != nil {
			return false, false, err
		}
		delete(s.seeded, p.seed)
		return true, true, s.room.seeds.RemoveAll(p.seed)
	case isSeed(p.seed):
		return false, true, s.tellOf(ctx, strings.ReplaceAll(p.seed, "#", "-"), seedFile(p.seed), p)
	}
	return false, false, nil
}

// tell copies an input to the artifacts, and tells of it.
func (s *session) tell(ctx context.Context, from *scratch.Folder, name string, p *progress) error {
	data, err := from.Read(name, scratch.MaxInput)
	if err != nil {
		return err
	}
	return s.tellOf(ctx, name, data, p)
}

func (s *session) tellOf(ctx context.Context, name string, data []byte, p *progress) error {
	f := fuzz.Found{Kind: kindOf(p.output(), fuzz.Exit{}), Log: p.failure()}
	// By the name, a hang is known for one by whoever was not told.
	name = string(f.Kind) + "-" + name
	if err := s.artifacts.Write(name, data); err != nil {
		return err
	}
	f.File = filepath.Join(s.Artifacts, name)
	s.stats.Crashes++
	if s.Found == nil {
		return nil
	}
	if strings.Contains(f.Log, "fuzzing process hung or terminated") || strings.Contains(f.Log, "race detected") {
		// What the process said of it went nowhere: it is run again, to be seen.
		limit := s.limits.time + toSay
		if ctx.Err() != nil { // there is little time for it
			ctx, limit = context.WithoutCancel(ctx), 2*time.Second
		}
		if r, err := s.reproduce(ctx, data, s.limits, limit); err == nil && r.Crashed {
			f.Kind, f.Log = r.Kind, r.Log
		}
	}
	s.Found(f)
	return nil
}

// died is the error for a fuzzer that ended without a reason that is known.
func (s *session) died(exit fuzz.Exit, p *progress) error {
	if !p.started() {
		return s.neverFuzzed(exit, p)
	}
	if exit.Code == 0 && exit.Limit == "" {
		return errors.New("the fuzzer ended by itself")
	}
	fix := "run it again"
	if exit.Limit != "" || strings.Contains(p.output(), "unexpected signal") {
		fix = "allow the run more memory, or a fuzzer process less"
	}
	return s.fail("fuzz", failed(exit, p.output()), fix)
}

func (p *progress) warmedUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fuzzing
}
