package fuzz

import (
	"context"
	"io"
	"syscall"
	"time"
)

// Runner starts the processes of fuzzers and their builds, confined to the
// workspace. It is safe for concurrent use.
type Runner interface {
	// Run runs a command to its end. That it exits with a code, or dies of a signal,
	// is no error. Once ctx is done it is told to stop by SIGINT, and a few seconds
	// later killed with all that it started; Run returns when nothing of it is left,
	// with no error for that reason.
	Run(ctx context.Context, c Command) (Exit, error)
}

// Command is one process, and what it may see.
type Command struct {
	Args []string // Args[0] is looked up in the PATH of the confinement; with a slash in it, it is relative to Dir
	Dir  string   // absolute, inside of the workspace; "": the workspace itself
	Env  []string // beyond a minimal environment, as NAME=value; nothing of the worker's own is inherited

	Stdout, Stderr io.Writer // nil: thrown away; the same one twice: what is written to either arrives in order

	Readable []string // further files and directories that it needs, of a toolchain for one; absolute; those that are not there are passed over
	Building bool     // it fetches what the project depends on: with the network, where the workflow's metadata allows it for builds
}

// Exit is how a process ended.
type Exit struct {
	Code   int            // -1 where a signal ended it
	Signal syscall.Signal // 0 where it exited
	Limit  string         // which limit of the confinement ended it: "memory", "time" …; or ""
	Wall   time.Duration
}
