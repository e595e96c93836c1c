package libfuzz

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

// Fuzz implements fuzz.Binary. Several jobs are as many processes on one corpus, each
// of which looks for new inputs of the others every second. All of them end with
// the first that finds a crash.
func (p *Program) Fuzz(ctx context.Context, s fuzz.Session) (fuzz.Ended, error) {
	if ctx.Err() != nil {
		return fuzz.Ended{}, nil
	}
	jobs := max(s.Jobs, 1)
	if s.Runs > 0 {
		jobs = int(min(int64(jobs), s.Runs))
	}
	f := &session{Session: s, program: p, told: map[string]bool{}}
	for range jobs {
		f.outputs = append(f.outputs, newOutput())
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()

	stopReports := f.reports()
	var wg sync.WaitGroup
	errs := make([]error, jobs)
	for i := range jobs {
		wg.Go(func() {
			errs[i] = f.job(ctx, inner, i, jobs)
			if errs[i] != nil || f.crashed() {
				cancel()
			}
		})
	}
	wg.Wait()
	stopReports()

	ended := fuzz.Ended{Stats: f.stats(), Crashed: f.crashed()}
	// What the processes said of their end counts for less than what was found.
	if err := errors.Join(errs...); err != nil && !ended.Crashed {
		return ended, err
	}
	limited := s.Duration > 0 || s.Runs > 0
	ended.Limit = limited && !ended.Crashed && ctx.Err() == nil
	return ended, nil
}

// session is a Session that is under way.
type session struct {
	fuzz.Session
	program *Program
	outputs []*output

	mu   sync.Mutex      // held while Report or Found is called
	told map[string]bool // inputs that Found was told of
}

// job runs one process to its end, which inner's end is too.
func (f *session) job(ctx, inner context.Context, i, jobs int) error {
	args := []string{
		"-artifact_prefix=" + f.Artifacts + string(filepath.Separator),
		"-print_final_stats=1", "-reload=1",
	}
	var limit time.Duration
	if f.Duration > 0 {
		args = append(args, fmt.Sprintf("-max_total_time=%d", seconds(f.Duration)))
		limit = f.Duration + slack
	}
	if f.Runs > 0 {
		share := f.Runs / int64(jobs)
		if int64(i) < f.Runs%int64(jobs) {
			share++
		}
		args = append(args, fmt.Sprintf("-runs=%d", share))
	}
	if dict := f.dictionary(); dict != "" {
		args = append(args, "-dict="+dict)
	}
	args = append(args, argsFor(f.InputTimeout, f.Memory)...)
	args = append(args, f.Corpus)

	began := time.Now()
	r, err := f.program.run(inner, limit, f.outputs[i], args...)
	if err != nil {
		if inner.Err() != nil {
			return nil // stopped before it began
		}
		return fmt.Errorf("fuzzing %q: %w", f.program.Harness, err)
	}
	f.tell(r.out)
	switch {
	case len(f.kept(r.out)) > 0, r.Code == 0 && r.out.started, inner.Err() != nil:
		return nil
	case f.Duration > 0 && time.Since(began) >= f.Duration && r.Limit == "":
		return nil // it was told to stop after the slack, or ended in it
	}
	return f.program.failed("fuzz", r)
}

func (f *session) dictionary() string {
	if f.Dictionary != "" {
		return f.Dictionary
	}
	if d := f.program.Dictionary; d != "" && scratch.IsFile(f.program.Workspace, d) {
		return d
	}
	return ""
}

// kept lists the inputs that a process has written, and that are there.
func (f *session) kept(o *output) []string {
	var files []string
	for _, name := range o.artifacts() {
		if file := filepath.Join(f.Artifacts, name); scratch.IsFile(f.program.Workspace, file) {
			files = append(files, file)
		}
	}
	return files
}

// tell tells of what a process has found that has ended: its report goes on after
// the input is written.
func (f *session) tell(o *output) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range f.kept(o) {
		if f.told[file] {
			continue
		}
		f.told[file] = true
		if f.Found != nil {
			f.Found(fuzz.Found{Kind: kindOf(filepath.Base(file)), File: file, Log: o.log()})
		}
	}
}

func (f *session) crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.told) > 0
}

// reports calls Report once a second until the function that it returns is called.
func (f *session) reports() (stop func()) {
	if f.Report == nil {
		return func() {}
	}
	ticker := time.NewTicker(time.Second)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			s := f.stats()
			f.mu.Lock()
			f.Report(s)
			f.mu.Unlock()
		}
	})
	return func() {
		ticker.Stop()
		close(done)
		wg.Wait()
	}
}

// stats sums up the processes. Coverage and corpus are theirs together, and each
// knows nearly all of it.
func (f *session) stats() fuzz.Stats {
	var sum fuzz.Stats
	for _, o := range f.outputs {
		s := o.stats()
		sum.Executions += s.Executions
		sum.PerSecond += s.PerSecond
		sum.MemoryMB += s.MemoryMB
		sum.Coverage = max(sum.Coverage, s.Coverage)
		sum.Corpus = max(sum.Corpus, s.Corpus)
		if s.LastNew.After(sum.LastNew) {
			sum.LastNew = s.LastNew
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	sum.Crashes = int64(len(f.told))
	return sum
}
