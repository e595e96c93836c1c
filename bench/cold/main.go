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
	"path/filepath"
	"syscall"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == childFlag {
		os.Exit(child(os.Stdin, os.Stdout))
	}
	code, err := lab.EnterPrivate()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cold:", err)
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// tools whose versions the figures are of.
var tools = [][]string{
	{"mkfs.ext4", "-V"}, {"tar", "--version"}, {"bsdtar", "--version"}, {"gzip", "--version"}, {"zstd", "--version"},
	{"xz", "--version"}, {"unzip", "-v"}, {"curl", "--version"}, {lab.PythonPath(), "--version"},
}

// run does everything but entering the namespace, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return lab.ExitOK
	}
	var dir string
	if err == nil {
		dir, err = prepare(opts)
	}
	if err != nil {
		fmt.Fprintln(stderr, "cold:", err)
		return lab.ExitUsage
	}
	defer os.RemoveAll(dir) // what stays in a temporary directory is the system's to remove

	rep := &report{
		Profile:  lab.ReadProfile("a new tmpfs or loop ext4 for each sample, the objects' pages warm", tools...),
		progress: stderr,
	}
	err = measure(ctx, opts, dir, rep)
	rep.finish()
	// What was found out until then is worth having, however it ended.
	if len(rep.Sections) > 0 {
		err = errors.Join(err, write(rep, stdout, opts.json))
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "cold: interrupted; only the kept inputs stay")
		return lab.ExitInterrupted
	case err != nil:
		fmt.Fprintln(stderr, "cold:", err)
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

// measure takes the objects one after the other, and each on one place after the
// other, so that memory never holds more than one of them.
func measure(ctx context.Context, opts *options, dir string, rep *report) (err error) {
	b := &bench{opts: opts, dir: dir, rep: rep}
	defer func() { err = errors.Join(err, b.close()) }()
	if opts.uses(minioStore) {
		if b.minio, b.noMinio = startMinio(ctx, filepath.Join(dir, "minio")); b.noMinio != nil {
			rep.Notes = append(rep.Notes, fmt.Sprintf("nothing is measured from MinIO: %v", b.noMinio))
			rep.say("%s", rep.Notes[0])
		} else if opts.wants(boto) {
			rep.say("making Python's environment, if it is not there")
			b.python, b.noPython = pythonWithBoto(ctx)
		}
	}
	for _, in := range opts.inputs {
		if err := b.input(ctx, in); err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
	}
	return nil
}
