package fuzz

import (
	"slices"
	"time"
)

// elapsed is how long the campaign has fuzzed. Who calls has mu.
func (r *running) elapsed() time.Duration {
	if r.began.IsZero() {
		return r.Spent
	}
	return r.Spent + time.Since(r.began)
}

// stage tells that the campaign has got to a stage.
func (r *running) stage(name string) {
	r.mu.Lock()
	if name == StageFuzz {
		r.began = time.Now() // building and fetching are not fuzzing
		r.live.LastNew = r.began
	}
	r.live.Stage = name
	r.mu.Unlock()
	r.report(Stats{})
}

// report takes in how far the session under way is, and tells it.
func (r *running) report(s Stats) {
	r.mu.Lock()
	r.take(s)
	l := r.live
	l.Found = slices.Clone(r.outcome.Bugs[:min(len(r.outcome.Bugs), maxFound)])
	r.mu.Unlock()
	if r.Report != nil {
		r.Report(l)
	}
}

// take adds s to the sessions before it. Who calls has mu.
func (r *running) take(s Stats) {
	l := &r.live
	l.Executions = r.ran + s.Executions
	l.PerSecond = r.speed.of(l.Executions)
	l.MemoryMB = max(l.MemoryMB, s.MemoryMB)
	l.Coverage = max(l.Coverage, s.Coverage) // a session that begins has not reached it yet
	if s.Corpus > 0 {
		l.Corpus = s.Corpus
	}
	if s.LastNew.After(l.LastNew) {
		l.LastNew = s.LastNew
	}
	l.Elapsed = Seconds(r.elapsed())
	l.Plateau = l.Stage == StageFuzz && plateau(time.Since(l.LastNew), r.Duration)
}

// ended takes in the whole of a session.
func (r *running) ended(s Stats) {
	r.mu.Lock()
	r.take(s)
	r.ran += s.Executions
	r.mu.Unlock()
	r.report(Stats{}) // a session may be over before it tells anything
}

// stopped notes why the fuzzing is over, and how far it came.
func (r *running) stopped(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.take(Stats{})
	l := r.live
	if t := time.Duration(l.Elapsed); t > 0 {
		l.PerSecond = float64(l.Executions) / t.Seconds() // over all of it
	}
	r.outcome.Stats, r.outcome.Elapsed, r.outcome.Plateau, r.outcome.Stopped = l.Stats, l.Elapsed, l.Plateau, why
}

// What a hostile harness may make of an outcome.
const (
	maxBugs  = 1000
	maxNotes = 20
)

// sighted notes an input that is in the store, and reports whether its bug is new to
// this campaign.
func (r *running) sighted(b Bug, f found) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live.Crashes++
	i := slices.IndexFunc(r.outcome.Bugs, func(s Sighting) bool { return s.ID == b.ID })
	if i >= 0 {
		r.outcome.Bugs[i].Inputs++
		return false
	}
	if len(r.outcome.Bugs) == maxBugs {
		return false // all are in the store
	}
	r.outcome.Bugs = append(r.outcome.Bugs, Sighting{Bug: b, Inputs: 1, First: f.seen, Log: f.log[:min(len(f.log), maxLog)]})
	r.live.Bugs++
	return true
}

// tried notes how often an input of the bug crashed again.
func (r *running) tried(id string, tried, reproduced int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.outcome.Bugs {
		if b := &r.outcome.Bugs[i]; b.ID == id {
			b.Tried, b.Reproduced = tried, reproduced
		}
	}
}

// note adds a sentence for people to the outcome, once.
func (r *running) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.outcome.Notes) < maxNotes && !slices.Contains(r.outcome.Notes, text) {
		r.outcome.Notes = append(r.outcome.Notes, text)
	}
}

func (r *running) bugs() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.outcome.Bugs)
}

func (r *running) result() Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.outcome
	out.Stats.Crashes = r.live.Crashes
	out.Bugs, out.Notes = slices.Clone(out.Bugs), slices.Clone(out.Notes)
	return out
}
