package fuzz

import (
	"context"
	"io"
	"time"
)

// Harness is an entry point that a fuzzer can drive.
type Harness struct {
	Name string `json:"name"` // what people call it; one of a kind in its project
	File string `json:"file"` // that defines it, relative to the project, with slashes
	Line int    `json:"line"` // of the definition, from 1
}

// Project is a workspace as an engine sees it.
type Project struct {
	Dir string // the workspace, absolute
	Out string // an empty directory or one of an earlier attempt, inside of Dir, for what the engine builds; absolute, and of plain characters below Dir

	Runner Runner
	Log    io.Writer // what the tools say, for people; never nil

	// Sanitizer is what is wished for: "address", "undefined", "memory", "thread",
	// "leak" or "none"; "" is the engine's own choice. One that the engine does not
	// have is an InvalidArgument.
	Sanitizer string
}

// Engine is one fuzzer. It is safe for concurrent use and keeps no state.
type Engine interface {
	// Name is what its workflow's metadata, results and the keys of corpora call it:
	// "libfuzzer", "atheris", "cargo-fuzz", "afl++", "go".
	Name() string

	// Version says which version of the tools would be used. Where one is missing it
	// is an InvalidArgument *cordon.Error that says what to install.
	Version(ctx context.Context, run Runner) (string, error)

	// Discover finds the project's harnesses, sorted by name, by reading it: nothing
	// of the project is executed. A project without any is no error. Links are not
	// followed, and files above a sensible size are passed over.
	Discover(ctx context.Context, dir string) ([]Harness, error)

	// Build makes a harness of p ready to run. That the project does not build is an
	// InvalidArgument *cordon.Error with the last lines that the compiler said.
	Build(ctx context.Context, p Project, h Harness) (Binary, error)
}

// Binary is a harness that is ready to run. Its methods may be called
// concurrently where they are given different directories. All of them return
// within seconds of ctx's end, with nothing left running.
type Binary interface {
	// Fuzz runs the fuzzer until a limit of s is reached, ctx is done, or the fuzzer
	// ends of itself, as most do on a crash. That none of these is a failure: how it
	// ended is in Ended. The error says that it could not be run at all, or died for
	// reasons of its own.
	Fuzz(ctx context.Context, s Session) (Ended, error)

	// Reproduce runs the one input in file, which lies inside of the workspace.
	Reproduce(ctx context.Context, file string, limit time.Duration) (Reproduction, error)

	// Minimise writes to out a smaller input that crashes in the same way, within
	// budget, and reports whether it found one.
	Minimise(ctx context.Context, file, out string, budget time.Duration) (bool, error)

	// Merge copies to the empty directory into those files of from that together
	// reach all that from reaches, within budget. A budget that is used up is an
	// error, and into holds nothing of use then.
	Merge(ctx context.Context, into string, from []string, budget time.Duration) error
}

// Noted is implemented by a Binary that may have something to say to people: that
// there is no sanitizer in it, for one, although one was wished for.
type Noted interface {
	// Notes are sentences, one a note.
	Notes() []string
}

// Session is one run of a fuzzer. Its directories lie inside of the workspace and
// are there.
type Session struct {
	Corpus    string // inputs to begin with; new ones are added
	Artifacts string // where crash inputs appear

	Duration time.Duration // the longest; 0: no limit
	Runs     int64         // executions at most; 0: no limit
	Jobs     int           // fuzzer processes at once, for engines that can share the work; at least 1

	InputTimeout time.Duration // after which an input counts as a hang; 0: the engine's default
	Memory       int64         // of one fuzzer process, in bytes, after which it is out of memory; 0: the engine's default

	Dictionary string // a file, or ""

	// Report, if not nil, is told how far the session is, about once a second. Found,
	// if not nil, is told of a crash as soon as its input stands in Artifacts. Neither
	// is called from two goroutines at once, nor after Fuzz has returned.
	Report func(Stats)
	Found  func(Found)
}

// Stats is how far a session is. What an engine cannot tell is 0.
type Stats struct {
	Executions int64     `json:"executions"`
	PerSecond  float64   `json:"executions_per_second"`
	Coverage   int64     `json:"coverage"` // in the engine's own measure: edges, or bits of its map
	Corpus     int64     `json:"corpus"`   // inputs
	Crashes    int64     `json:"crashes"`  // inputs that crashed, not different bugs
	LastNew    time.Time `json:"last_new,omitzero"`
	MemoryMB   int64     `json:"memory_mb,omitempty"`
}

// Found is a crash that a fuzzer has come upon.
type Found struct {
	Kind FoundKind
	File string // the input, in the session's Artifacts
	Log  string // what the fuzzer said of it, the report of a sanitizer with the stack for one; "" where it says nothing
}

// FoundKind is why an input was kept.
type FoundKind string

// The kinds of Found.
const (
	FoundCrash   FoundKind = "crash"
	FoundTimeout FoundKind = "timeout"
	FoundMemory  FoundKind = "oom"
	FoundLeak    FoundKind = "leak"
)

// Ended is how a session ended.
type Ended struct {
	Stats   Stats
	Crashed bool // the fuzzer stopped because of an input that it has kept
	Limit   bool // of the session: time, or executions
}

// Reproduction is what one input did.
type Reproduction struct {
	Crashed bool
	Kind    FoundKind // where it crashed
	Log     string    // the report, as in Found
	Command []string  // that reproduces it: paths are those of the workspace
	Env     []string  // that it needs beyond the usual, as NAME=value
}
