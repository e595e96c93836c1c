package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == nothing {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	samples int
	rounds  int
	program string
	json    bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return lab.ExitOK
	}
	if err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return lab.ExitUsage
	}
	rep, err := measure(ctx, opts, stderr)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "sandbox: interrupted; nothing was left behind")
		return lab.ExitInterrupted
	case err != nil:
		fmt.Fprintln(stderr, "sandbox:", err)
		return lab.ExitBroke
	}
	if opts.json {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		err = e.Encode(rep)
	} else {
		err = rep.print(stdout)
	}
	if err != nil {
		return lab.ExitBroke
	}
	return lab.ExitOK
}

func parse(args []string, stderr io.Writer) (*options, error) {
	f := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	f.SetOutput(stderr)
	o := &options{}
	f.IntVar(&o.samples, "samples", 200, "how often each start is taken")
	f.IntVar(&o.rounds, "rounds", 7, "how often each workload is run")
	f.StringVar(&o.program, "program", "", "a `file`, such as bin/cordon: how long that program takes to become an init, too")
	f.BoolVar(&o.json, "json", false, "print JSON, with every sample in it")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	if o.samples < 1 || o.rounds < 1 {
		return nil, errors.New("--samples and --rounds must be 1 or more")
	}
	return o, nil
}
