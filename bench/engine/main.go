package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"

	"github.com/cordonlabs/cordon/bench/internal/lab"
	"github.com/cordonlabs/cordon/internal/cli"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case workerFlag:
			os.Exit(serve(os.Stdin, os.Stdout))
		case cliFlag:
			os.Exit(cli.Main(os.Args[2:], os.Stdout, os.Stderr))
		}
	}
	code, err := lab.EnterPrivate()
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are what the flags say.
type options struct {
	rounds  int
	entries int   // in the cache that is full
	files   []int // in the trees that are cleaned up
	hits    int   // by one caller, in each round
	json    bool
	quick   bool
}

// run does everything but entering the namespace, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return lab.ExitOK
	}
	var p *place
	if err == nil {
		p, err = makePlace(ctx, opts)
	}
	if err != nil {
		fmt.Fprintln(stderr, "engine:", err)
		return lab.ExitUsage
	}
	rep := newReport(opts, p, stderr)
	err = errors.Join(measure(ctx, opts, p, rep), p.close())
	rep.finish()
	// What was found out until then is worth having, however it ended.
	if len(rep.Sections) > 0 {
		err = errors.Join(err, write(rep, stdout, opts.json))
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "engine: interrupted; nothing was left behind")
		return lab.ExitInterrupted
	case err != nil:
		fmt.Fprintln(stderr, "engine:", err)
		return lab.ExitBroke
	case rep.Broken > 0:
		return lab.ExitBroke
	}
	return lab.ExitOK
}

func write(rep *report, w io.Writer, asJSON bool) error {
	if !asJSON {
		return rep.print(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(rep)
}

func parse(args []string, stderr io.Writer) (*options, error) {
	f := flag.NewFlagSet("engine", flag.ContinueOnError)
	f.SetOutput(stderr)
	opts := &options{}
	files := f.String("files", "", "the `sizes` of the trees that are cleaned up, in files (default 10,1000,100000; with --quick 10,1000)")
	f.IntVar(&opts.rounds, "rounds", 0, "how often each figure is taken (default 5; with --quick 2); of trees of more than 10,000 files at most 3 times")
	f.IntVar(&opts.entries, "entries", 0, "how many other entries there are (default 10000; with --quick 200)")
	f.BoolVar(&opts.quick, "quick", false, "less of everything: a check of the command, no measurement")
	f.BoolVar(&opts.json, "json", false, "print JSON, with every sample in it")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	rounds, entries, sizes := 5, 10_000, "10,1000,100000"
	opts.hits = 2000
	if opts.quick {
		rounds, entries, sizes, opts.hits = 2, 200, "10,1000", 64
	}
	opts.rounds, opts.entries = cmp.Or(opts.rounds, rounds), cmp.Or(opts.entries, entries)
	for _, s := range lab.List(cmp.Or(*files, sizes)) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("--files: %q is not a number of files", s)
		}
		opts.files = append(opts.files, n)
	}
	slices.Sort(opts.files)
	opts.files = slices.Compact(opts.files)
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("%q is not a flag", f.Arg(0))
	case opts.rounds < 1:
		return nil, errors.New("--rounds must be 1 or more")
	case opts.entries < 2:
		return nil, errors.New("--entries must be 2 or more")
	}
	return opts, nil
}
