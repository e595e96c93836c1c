package fuzz

import (
	"context"
	"os"
	"time"
)

// Crashes is where a campaign's crashes are kept. It is safe for concurrent use.
type Crashes interface {
	// Identify says which bug an input shows, by what the engine said of it; log may
	// be "", and then every input is a bug of its own.
	Identify(harness string, kind FoundKind, log string, input []byte) Bug

	// Keep stores an input and what is known of it. What is there already is no error,
	// and stays. When it returns nil, the input is in the store, or so many others of
	// its bug are that it is merely counted.
	Keep(ctx context.Context, bug Bug, c Crash) error
}

// Bug is what several inputs may show.
type Bug struct {
	ID       string `json:"id"`                 // names it in the store
	Type     string `json:"type"`               // "heap-buffer-overflow", "panic" …
	Title    string `json:"title"`              // for people
	Function string `json:"function,omitempty"` // where it crashes, in the project
	File     string `json:"file,omitempty"`     // relative to the project
	Line     int    `json:"line,omitempty"`
}

// Crash is one input that crashes, and how to see it crash again.
type Crash struct {
	Input   []byte
	Kind    FoundKind
	Log     string // as in Found
	Harness Harness
	Seen    time.Time

	Command []string // as in Reproduction
	Env     []string

	Tried      int    // how often it was run again after it was found; 0: not yet
	Reproduced int    // how often of these it crashed in the same way
	Smaller    string // the SHA-256 of the input that this one is a minimised form of; ""
}

// Corpus is where the inputs are kept that reach something of their own. It belongs
// to one campaign. What is in the directories may be hostile.
type Corpus interface {
	// Pull writes what is known of others into dir, and says how many inputs that are.
	Pull(ctx context.Context, dir *os.Root) (inputs int, err error)
	// Push stores what is in dir and was neither pulled nor pushed yet. It is cheap
	// where there is nothing new. It says how many inputs it has stored.
	Push(ctx context.Context, dir *os.Root) (inputs int, err error)
	// Replace makes what is in dir stand for all that was pulled and pushed.
	Replace(ctx context.Context, dir *os.Root) error
}
