package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
)

// app is one invocation of the program.
type app struct {
	*screen
	environ []string
	getenv  func(string) string
	now     func() time.Time
	version Version
	fuzzers fuzzers
	hurry   hurry

	temporal config.TemporalFlags // of the commands on a cache, which ask Temporal about its holds
}

// Main runs the command line args (without the program's name) and returns its
// exit code. The first SIGINT or SIGTERM cancels what is under way and waits for
// its cleanup; the second ends the process at once, or the draining of a worker.
func Main(args []string, stdout, stderr io.Writer) int {
	a := &app{
		screen:  newScreen(stdout, stderr, os.Getenv),
		environ: os.Environ(), getenv: os.Getenv, now: time.Now,
		version: readVersion(),
		fuzzers: realFuzzers(os.Getenv),
	}
	ctx, stop := a.untilInterrupted()
	defer stop()
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	a.redraw("")
	var ran *ranError
	if err != nil && !errors.As(err, &ran) {
		// Cobra's own errors come before a command runs: they are misuse.
		err = &usageError{err, command.CommandPath()}
	}
	if context.Cause(ctx) == errInterrupted && errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	a.complain(err)
	return exitCode(ctx, err)
}

// ranError marks the error of a command that was understood and ran.
type ranError struct{ error }

func (e *ranError) Unwrap() error { return e.error }

// complain prints err, one line for each of the errors that it joins.
func (a *app) complain(err error) {
	var usage *usageError
	for _, e := range split(err) {
		// Cobra puts its suggestions on lines of their own.
		line := strings.Join(strings.Fields(plainLines(e.Error())), " ")
		if line == "" {
			continue
		}
		if errors.As(e, &usage) && cordon.FixOf(e) == "" {
			line += "; see '" + usage.command + " --help'"
		}
		a.say("%s %s", a.paintErr(red, "cordon:"), line)
	}
}

// plainLines is plain, but for line ends, which become spaces.
func plainLines(s string) string {
	return plain(strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(s))
}

// split takes joined errors apart. An Error that wraps several stays whole.
func split(err error) []error {
	for e := err; e != nil; {
		if many, ok := e.(interface{ Unwrap() []error }); ok {
			var out []error
			for _, one := range many.Unwrap() {
				out = append(out, split(one)...)
			}
			return out
		}
		switch one := e.(type) {
		case *ranError:
			e = one.error
		case *codeError:
			e = one.err
		default:
			return []error{err}
		}
	}
	return nil
}

// untilInterrupted returns a context that ends with errInterrupted at the first
// signal.
func (a *app) untilInterrupted() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for range signals {
			if ctx.Err() == nil {
				cancel(errInterrupted)
			} else if !a.hurry.up() {
				os.Exit(ExitInterrupted)
			}
		}
	}()
	return ctx, func() { signal.Stop(signals); close(signals); cancel(nil) }
}

// logger returns a logger for talk at level and above; with times where a
// program runs for long.
func (a *app) logger(level slog.Level, times bool) *slog.Logger {
	return slog.New(slog.NewTextHandler(logs{a.screen}, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
			if !times && attr.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return attr
		},
	}))
}
