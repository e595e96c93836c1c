package activities

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cordonlabs/cordon/fuzz"
)

// LiveSignal is the signal by which a tool that runs for long tells its workflow how
// far it is: a string for people. Built-in workflows show it in Temporal's UI.
const LiveSignal = "cordon.live"

// A signal is for good in a run's history, so that they become rarer the longer the
// run takes: some 200 in a day.
const (
	firstSignal = 10 * time.Second
	signalShare = 40 // of the time that has passed
)

// FuzzState is how far a run_fuzzer is, harness by harness: a heartbeat's details,
// from which another attempt goes on.
type FuzzState struct {
	Live fuzz.Live      `json:"live"`           // the harness under way
	Done []fuzz.Outcome `json:"done,omitempty"` // those that are done with
}

// fuzzBeat tells how far a run_fuzzer is: by heartbeats, and by signals to its run.
type fuzzBeat struct {
	report func(Progress)
	end    func()
	signal func(text string)
	before FuzzState // what the attempt before this one told last

	mu       sync.Mutex
	now      FuzzState
	began    time.Time
	signaled time.Time
	stage    string
}

func (a *Activities) newFuzzBeat(ctx context.Context) *fuzzBeat {
	b := &fuzzBeat{began: time.Now()}
	b.report, b.end = heartbeat(ctx)
	var last Progress
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &last) == nil && last.Fuzzing != nil {
		b.before = *last.Fuzzing
	}
	b.now = b.before
	if last.Fuzzing != nil {
		b.report(last) // or what is known is lost with an attempt that ends before it tells anything
	}
	info := activity.GetInfo(ctx)
	b.signal = func(text string) {
		if a.runs.client == nil || info.WorkflowExecution.ID == "" {
			return
		}
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		if err := a.runs.client.SignalWorkflow(asking, info.WorkflowExecution.ID, info.WorkflowExecution.RunID, LiveSignal, text); err != nil {
			a.caller(info).Debug("the run was not told how far its fuzzer is", "error", err)
		}
	}
	return b
}

func (b *fuzzBeat) stop() { b.end() }

// earlier is how far earlier attempts came with a harness.
func (b *fuzzBeat) earlier(harness string) fuzz.Live {
	if b.before.Live.Harness != harness {
		return fuzz.Live{}
	}
	return b.before.Live
}

// done returns what earlier attempts made of a harness that they were done with.
func (b *fuzzBeat) done(harness string) (fuzz.Outcome, bool) {
	for _, o := range b.before.Done {
		if o.Harness.Name == harness {
			return o, true
		}
	}
	return fuzz.Outcome{}, false
}

// tell says how far the harness under way is.
func (b *fuzzBeat) tell(l fuzz.Live) {
	b.mu.Lock()
	b.now.Live = l
	state := b.now
	now := time.Now()
	due := l.Stage != b.stage || now.Sub(b.signaled) >= max(firstSignal, now.Sub(b.began)/signalShare)
	if due {
		b.signaled, b.stage = now, l.Stage
	}
	b.mu.Unlock()
	b.report(Progress{Stage: l.String(), Done: l.Executions, Unit: Executions, Fuzzing: &state})
	if due {
		go b.signal(l.String()) // whoever fuzzes does not wait for Temporal
	}
}

// finished notes that a harness is done with.
func (b *fuzzBeat) finished(o fuzz.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now.Done = bounded(append(b.now.Done, o))
	b.now.Live = fuzz.Live{}
}

// Bounds of what crosses the history of all harnesses together; everything is in
// the store.
const (
	maxReportedBugs  = 200
	maxReportedNotes = 100
	maxReportedNote  = 500
)

// bounded returns outcomes as they may cross the history.
func bounded(all []fuzz.Outcome) []fuzz.Outcome {
	out := make([]fuzz.Outcome, len(all))
	left, notesLeft := maxReportedBugs, maxReportedNotes
	for i, o := range all {
		n := min(len(o.Bugs), left)
		left -= n
		o.Bugs = append([]fuzz.Sighting{}, o.Bugs[:n]...)
		var notes []string
		for _, note := range o.Notes[:min(len(o.Notes), notesLeft)] {
			notes = append(notes, strings.ToValidUTF8(note[:min(len(note), maxReportedNote)], ""))
		}
		notesLeft -= len(notes)
		o.Notes = notes
		out[i] = o
	}
	return out
}
