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
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
	"github.com/cordonlabs/cordon/internal/fsinfo"
)

func main() {
	code, err := lab.EnterPrivate()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cow:", err)
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// tools whose versions the figures are of.
var tools = [][]string{
	{"mkfs.ext4", "-V"}, {"mkfs.xfs", "-V"}, {"mkfs.btrfs", "--version"}, {"cp", "--version"}, {"rsync", "--version"},
	{"mount", "--version"}, {lab.PythonPath(), "--version"},
}

// options are what the flags say.
type options struct {
	fs, inputs []string
	only       []string // patterns of contestants' names; none: all
	samples    int
	json       bool
	quick      bool
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
		fmt.Fprintln(stderr, "cow:", err)
		return lab.ExitUsage
	}
	defer os.RemoveAll(dir) // what stays in a temporary directory is the system's to remove

	rep := &report{Profile: lab.ReadProfile("loop file systems, past the page cache of what is below", tools...), progress: stderr}
	err = measure(ctx, opts, dir, rep)
	rep.finish()
	// What was found out until then is worth having, however it ended.
	if len(rep.Sections) > 0 {
		err = errors.Join(err, write(rep, stdout, opts.json))
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "cow: interrupted; nothing was left behind")
		return lab.ExitInterrupted
	case err != nil:
		fmt.Fprintln(stderr, "cow:", err)
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
	f := flag.NewFlagSet("cow", flag.ContinueOnError)
	f.SetOutput(stderr)
	opts := &options{}
	fs := f.String("fs", strings.Join(lab.FileSystems, ","), "file `systems`")
	in := f.String("input", "", "`inputs`: "+strings.Join(inputNames(), ", ")+" (default all; with --quick small,large)")
	only := f.String("only", "", "only contestants whose name matches one of these `patterns`, such as 'cordon *,cp -a'; what they are compared with is always there")
	f.IntVar(&opts.samples, "samples", 0, "how often each figure is taken (default 7; with --quick 2); of contestants that take longer than a second at most 3 times")
	f.BoolVar(&opts.quick, "quick", false, "smaller inputs, so that it takes about a minute: a check of the command, no measurement")
	f.BoolVar(&opts.json, "json", false, "print JSON, with every sample in it")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	usual, samples := strings.Join(inputNames(), ","), 7
	if opts.quick {
		usual, samples = "small,large", 2
	}
	*in, opts.samples = cmp.Or(*in, usual), cmp.Or(opts.samples, samples)
	opts.fs, opts.inputs = lab.List(*fs), lab.List(*in)
	opts.only = lab.List(*only)
	switch bad := ""; {
	case f.NArg() > 0:
		return nil, fmt.Errorf("%q is not a flag", f.Arg(0))
	case opts.samples < 1:
		return nil, errors.New("--samples must be 1 or more")
	case lab.Other(&bad, opts.fs, lab.FileSystems):
		return nil, fmt.Errorf("--fs: %q is none of %s", bad, strings.Join(lab.FileSystems, ", "))
	case lab.Other(&bad, opts.inputs, inputNames()):
		return nil, fmt.Errorf("--input: %q is none of %s", bad, strings.Join(inputNames(), ", "))
	}
	if err := lab.CheckPatterns(opts.only); err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	return opts, nil
}

// wants reports whether the flags let the contestant called name take part.
func (o *options) wants(name string) bool {
	return len(o.only) == 0 || lab.Matches(o.only, name)
}

// prepare makes the directory that everything is done in, if there is a disk
// with enough room for it.
func prepare(opts *options) (dir string, err error) {
	if os.Geteuid() != 0 {
		return "", errors.New("mounting loop file systems needs root: run it with sudo")
	}
	var need int64
	for _, n := range opts.inputs {
		need = max(need, inputs[n](opts.quick).hostBytes())
	}
	tmp := os.TempDir()
	var st unix.Statfs_t
	if err := unix.Statfs(tmp, &st); err != nil {
		return "", &os.PathError{Op: "statfs", Path: tmp, Err: err}
	}
	if st.Type == unix.TMPFS_MAGIC {
		return "", fmt.Errorf("%s is in memory: set TMPDIR to a directory on a disk with %s free", tmp, cordon.FormatBytes(need))
	}
	space, err := fsinfo.SpaceAt(tmp)
	if err != nil {
		return "", err
	}
	if space.Free < need {
		return "", fmt.Errorf("%s has %s free, and up to %s are needed: set TMPDIR to a directory with more, or choose with --input, or --quick",
			tmp, cordon.FormatBytes(space.Free), cordon.FormatBytes(need))
	}
	return os.MkdirTemp("", "cordon-bench-")
}

// measure takes the inputs one after the other, and each on one file system
// after the other, so that the disk never holds more than one of them.
func measure(ctx context.Context, opts *options, dir string, rep *report) error {
	for _, n := range opts.inputs {
		in := inputs[n](opts.quick)
		rep.say("%s: preparing", n)
		if err := in.build(ctx, filepath.Join(dir, n)); err != nil {
			return fmt.Errorf("prepare input %s: %w", n, err)
		}
		for _, fs := range opts.fs {
			if err := measureOn(ctx, opts, in, fs, dir, rep); err != nil {
				return fmt.Errorf("%s on %s: %w", n, fs, err)
			}
		}
		if err := os.RemoveAll(filepath.Join(dir, n)); err != nil {
			return err
		}
	}
	return nil
}
