package workspace

import (
	"context"
	"time"
)

// DefaultGrace is how long what a run holds stays after the run is over: long
// enough for its own cleanup to be retried, and for people to have a look.
const DefaultGrace = 10 * time.Minute

// Runs knows which runs are over. It is safe for concurrent use.
type Runs interface {
	// Fates returns what became of the runs of owners, in their order. What
	// cannot be found out is RunUnknown: that is no error, and nothing is removed
	// because of it. It returns once ctx is done, or earlier.
	Fates(ctx context.Context, owners []Owner) []Fate
}

// Fate is what became of a run.
type Fate struct {
	State  RunState
	Status string    // for people, where the run is over: "completed", "failed", "timed out", "not found" …
	Failed bool      // it is over and has failed or timed out
	Closed time.Time // when it ended; zero where that is not known any more
	Why    error     // where State is RunUnknown
}

// RunState says whether a run is over.
type RunState int

// The states of a run. A run that continued as new is open until its chain is
// closed; one that failed and was retried is closed (CONTRACT §7, row 12).
const (
	RunUnknown RunState = iota // nobody could be asked
	RunOpen
	RunClosed
)
