package main

import (
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/cordonlabs/cordon/internal/health"
)

// askHealth is `cordon-worker health`, as a container's health check calls it: its
// exit code is 0 or 1, for engines keep 2 to themselves.
func askHealth(args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("cordon-worker health", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("health-file", getenv(environ, nil)("WORKER_HEALTH_FILE"), "")
	err := flags.Parse(args)
	switch {
	case err != nil:
		err = fmt.Errorf("%w; see cordon-worker --help", err)
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q; see cordon-worker --help", flags.Arg(0))
	case *path == "":
		err = fmt.Errorf("WORKER_HEALTH_FILE is not set, nor --health-file")
	default:
		var r health.Report
		if r, err = health.Read(*path, time.Now()); err == nil {
			fmt.Fprintln(stdout, r.Summary())
			return exitOK
		}
	}
	fmt.Fprintf(stderr, "cordon-worker: %v\n", err)
	return exitFailure
}
