package fuzz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Campaign is the fuzzing of one harness for one run: sessions of the engine one
// after the other, and what they find on its way into the store meanwhile.
type Campaign struct {
	Engine  Engine
	Version string // of the engine
	Harness Harness
	Binary  Binary
	Place   Place // made

	Crashes Crashes
	Corpus  Corpus

	Duration  time.Duration // of fuzzing, earlier attempts included; 0: until Runs
	Runs      int64         // executions, earlier attempts included; 0: until Duration
	Jobs      int
	Spent     time.Duration // by earlier attempts
	SpentRuns int64
	Known     []Sighting // what earlier attempts have come upon

	// Until is when Run has to be over, because whoever waits for it gives up then; zero:
	// nobody does. The fuzzing ends early enough for what comes after it.
	Until time.Time

	PushEvery time.Duration // how often the corpus is pushed; 0: every minute

	Report func(Live) // told about once a second; nil: nobody is
	Log    *slog.Logger
}

// Outcome is what a campaign did.
type Outcome struct {
	Engine  string  `json:"engine"`
	Version string  `json:"engine_version"`
	Harness Harness `json:"harness"`
	Stats   Stats   `json:"stats"`
	Elapsed Seconds `json:"elapsed_seconds"`
	Stopped string  `json:"stopped"` // one of the reasons below
	Plateau bool    `json:"plateau,omitempty"`

	Bugs   []Sighting `json:"bugs"`
	Pulled int        `json:"corpus_pulled"` // inputs that were known before
	Pushed int        `json:"corpus_pushed"` // inputs that are new
	Notes  []string   `json:"notes,omitempty"`
}

// Sighting is a bug that a campaign has come upon.
type Sighting struct {
	Bug
	Inputs     int       `json:"inputs"` // different ones that were kept
	First      time.Time `json:"first_seen"`
	Tried      int       `json:"tried"`      // how often the first input was run again
	Reproduced int       `json:"reproduced"` // how often of these it crashed in the same way

	// Log is what the engine said of the first input, cut; it is known to the attempt
	// that found it alone.
	Log string `json:"-"`
}

// maxLog bounds a Sighting's Log, of which a campaign keeps one for each bug.
const maxLog = 16 << 10

// Why a campaign stopped.
const (
	StoppedTime      = "time"          // its duration is over, or Campaign.Until near: a note says so then
	StoppedRuns      = "executions"    // it has made all it may
	StoppedKnown     = "known crashes" // the fuzzer no longer gets past crashes that are known
	StoppedEnded     = "ended"         // the fuzzer found that there was nothing to do
	StoppedCancelled = "cancelled"
)

// defaultPush is how often the corpus is pushed: what a worker loses when it is
// killed.
const defaultPush = time.Minute

// maxKnown is how many sessions in a row may end in a crash that is known, within
// knownTime each, before the campaign gives up: the fuzzer runs into the same bug at
// once, and will until that is fixed.
const (
	maxKnown  = 20
	knownTime = 10 * time.Second
)

// Run runs the campaign. Its error is the engine's or the store's, and what was
// found before it is kept all the same; a ctx that is done is no error: the
// outcome says so. It returns within seconds of ctx's end.
func (c *Campaign) Run(ctx context.Context) (Outcome, error) {
	r := &running{
		Campaign: c, began: time.Now(),
		outcome: Outcome{Engine: c.Engine.Name(), Version: c.Version, Harness: c.Harness, Bugs: []Sighting{}},
	}
	if !c.Until.IsZero() {
		r.fuzzUntil = c.Until.Add(-min(closing, time.Until(c.Until)/2))
	}
	r.live = Live{Engine: r.outcome.Engine, Harness: c.Harness.Name, Duration: Seconds(c.Duration), Stage: StagePull}
	r.ran = c.SpentRuns
	r.outcome.Bugs = append(r.outcome.Bugs, c.Known...)
	r.live.Bugs = len(c.Known)
	return r.run(ctx)
}

// running is a campaign under way.
type running struct {
	*Campaign
	began      time.Time
	dictionary string
	keeper     *keeper
	fuzzUntil  time.Time // when fuzzing has to be over; zero: when Duration and Runs say so

	mu      sync.Mutex // guards what follows
	live    Live
	ran     int64 // executions of sessions that have ended
	speed   speed
	outcome Outcome
}

func (r *running) run(ctx context.Context) (Outcome, error) {
	r.stage(StagePull)
	if err := r.prepare(ctx); err != nil {
		return r.result(), err
	}
	r.keeper = newKeeper(r)
	defer context.AfterFunc(ctx, r.keeper.triage.cancel)() // it is not waited for then
	stopPushing := r.pushing(ctx)
	err := r.sessions(ctx)
	stopPushing()
	err = errors.Join(err, r.finish(ctx))
	return r.result(), err
}

// prepare fills the corpus: with what an earlier attempt left, the project's seeds,
// and what the store has.
func (r *running) prepare(ctx context.Context) error {
	if _, own := r.Engine.(OwnSeeds); !own {
		n, dictionary, err := r.Place.seed(ctx, r.Harness)
		if err != nil {
			return fmt.Errorf("read the project's seeds: %w", err)
		}
		r.dictionary = dictionary
		if n > 0 {
			r.Log.Info("the project has seeds", "harness", r.Harness.Name, "inputs", n)
		}
	}
	dir, err := r.Place.open(corpusDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	r.outcome.Pulled, err = r.Corpus.Pull(ctx, dir)
	return err
}

// sessions runs the engine until the campaign is to stop.
func (r *running) sessions(ctx context.Context) error {
	r.stage(StageFuzz)
	known := 0 // sessions in a row that ended in a crash that was known
	for {
		s := r.session()
		switch {
		case ctx.Err() != nil:
			r.stopped(StoppedCancelled)
			return nil
		case r.limited() && s.Duration <= 0:
			r.stopped(StoppedTime)
			r.noteCut()
			return nil
		case r.Runs > 0 && s.Runs <= 0:
			r.stopped(StoppedRuns)
			return nil
		case known >= maxKnown:
			r.stopped(StoppedKnown)
			return nil
		}
		began, bugs := time.Now(), r.bugs()
		ended, err := r.Binary.Fuzz(ctx, s)
		r.ended(ended.Stats)
		r.keeper.look()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			return err
		case ended.Crashed:
			r.keeper.settle(ctx)
			if known++; r.bugs() > bugs || time.Since(began) > knownTime {
				known = 0
			}
		case ended.Limit:
			// The next turn says which, and goes on where the fuzzer stopped early.
			if time.Since(began) < time.Second && ended.Stats.Executions == 0 {
				r.stopped(StoppedEnded)
				return nil
			}
		default:
			r.stopped(StoppedEnded)
			return nil
		}
	}
}

// limited reports whether there is a time at which the fuzzing ends.
func (r *running) limited() bool { return r.Duration > 0 || !r.fuzzUntil.IsZero() }

// noteCut notes that the campaign was ended before its limits were reached, if it was.
func (r *running) noteCut() {
	r.mu.Lock()
	took, ran := r.elapsed(), r.ran
	r.mu.Unlock()
	before := ""
	switch {
	case r.fuzzUntil.IsZero(), r.Duration > 0 && r.Duration-took < time.Second, r.Runs > 0 && ran >= r.Runs:
		return
	case r.Duration > 0:
		before = fmt.Sprintf(", before its %v were over", r.Duration.Round(time.Second))
	case r.Runs > 0:
		before = fmt.Sprintf(", before its %d executions were made", r.Runs)
	}
	r.note(fmt.Sprintf("the fuzzing was ended after %v%s: its caller does not wait for longer (start-to-close)", took.Round(time.Second), before))
}

// unlimited is more than any campaign takes.
const unlimited = 10 * 365 * 24 * time.Hour

// session is the next one, within what is left of the campaign's limits.
func (r *running) session() Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Session{
		Corpus: r.Place.dir(corpusDir), Artifacts: r.Place.dir(artifactsDir),
		Jobs: max(r.Jobs, 1), Dictionary: r.dictionary,
		Report: r.report, Found: func(f Found) { r.keeper.found(f) },
	}
	if r.limited() {
		s.Duration = unlimited
		if r.Duration > 0 {
			s.Duration = r.Duration - r.elapsed()
		}
		if !r.fuzzUntil.IsZero() {
			s.Duration = min(s.Duration, time.Until(r.fuzzUntil))
		}
		if s.Duration < time.Second { // fuzzers count in whole seconds
			s.Duration = 0
		}
	}
	if r.Runs > 0 {
		s.Runs = r.Runs - r.ran
	}
	return s
}
