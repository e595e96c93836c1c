package main

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
	"github.com/cordonlabs/cordon/internal/fsinfo"
)

// Places that are measured on, in the order in which they are.
const (
	memory = "tmpfs"
	disk   = "ext4"
)

// Stores that are fetched from.
const (
	dirStore   = "directory"
	minioStore = "minio"
)

var (
	places = []string{memory, disk}
	stores = []string{dirStore, minioStore}
)

// options are what the flags say.
type options struct {
	inputs         []*input
	places, stores []string
	only           []string // patterns of contestants' names; none: all
	samples        int
	json, quick    bool
}

// usage returns what stands above the flags in --help.
func usage() string {
	all := (&options{inputs: inputs(false), places: places, stores: stores}).needs("")
	return fmt.Sprintf(`cold measures the first run of a target: from the store to the tree.

Everything takes three to four hours on two cores, %s of disk in the temporary
directory, %s in the user's cache folder, which keeps the packed inputs, and up
to %s of memory. --quick takes some minutes, and as many once to pack.

`, cordon.FormatBytes(all.scratch), cordon.FormatBytes(all.kept), cordon.FormatBytes(all.memory))
}

func parse(args []string, stderr io.Writer) (*options, error) {
	f := flag.NewFlagSet("cold", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage())
		f.PrintDefaults()
	}
	opts := &options{}
	in := f.String("input", "", "`inputs`: names or patterns of "+strings.Join(inputNames(), ", ")+", or a tree's name for all of its (default all; with --quick kernel.tar.gz,kernel.tar.zst)")
	place := f.String("place", strings.Join(places, ","), "`places`; with --quick ext4 is for one sample of the last input only")
	store := f.String("store", strings.Join(stores, ","), "`stores`")
	only := f.String("only", "", "only contestants whose name matches one of these `patterns`, such as 'tar *,* alone'; cordon, which they are compared with, is always there")
	f.IntVar(&opts.samples, "samples", 0, "how often each figure is taken (default 5; with --quick 2)")
	f.BoolVar(&opts.quick, "quick", false, "fewer samples, and smaller inputs where they are generated: a check of the command, no measurement")
	f.BoolVar(&opts.json, "json", false, "print JSON, with every sample in it")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	usual, samples := strings.Join(inputNames(), ","), 5
	if opts.quick {
		usual, samples = "kernel.tar.gz,kernel.tar.zst", 2
	}
	opts.samples = cmp.Or(opts.samples, samples)
	opts.places, opts.stores, opts.only = lab.List(*place), lab.List(*store), lab.List(*only)
	asked := lab.List(cmp.Or(*in, usual))
	switch bad := ""; {
	case f.NArg() > 0:
		return nil, fmt.Errorf("%q is not a flag", f.Arg(0))
	case opts.samples < 1:
		return nil, errors.New("--samples must be 1 or more")
	case lab.Other(&bad, opts.places, places):
		return nil, fmt.Errorf("--place: %q is none of %s", bad, strings.Join(places, ", "))
	case lab.Other(&bad, opts.stores, stores):
		return nil, fmt.Errorf("--store: %q is none of %s", bad, strings.Join(stores, ", "))
	}
	if err := lab.CheckPatterns(asked); err != nil {
		return nil, fmt.Errorf("--input: %w", err)
	}
	for _, p := range asked {
		if !anyInput(func(in *input) bool { return in.isCalled(p) }) {
			return nil, fmt.Errorf("--input: %q is none of %s", p, strings.Join(inputNames(), ", "))
		}
	}
	for _, in := range inputs(opts.quick) {
		for _, p := range asked {
			if in.isCalled(p) {
				opts.inputs = append(opts.inputs, in)
				break
			}
		}
	}
	if err := lab.CheckPatterns(opts.only); err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	return opts, nil
}

func anyInput(is func(*input) bool) bool {
	for _, in := range inputs(false) {
		if is(in) {
			return true
		}
	}
	return false
}

// wants reports whether the flags let the contestant called name take part.
func (o *options) wants(name string) bool {
	return len(o.only) == 0 || name == ours || lab.Matches(o.only, name)
}

// uses reports whether the flags want that store.
func (o *options) uses(store string) bool {
	for _, s := range o.stores {
		if s == store {
			return true
		}
	}
	return false
}

// rounds returns how many samples are taken of in on that place.
func (o *options) rounds(in *input, place string) int {
	if o.quick && place == disk && len(o.places) > 1 {
		if in != o.inputs[len(o.inputs)-1] {
			return 0
		}
		return 1
	}
	return o.samples
}

// needs are how many bytes there must be of what.
type needs struct {
	scratch int64 // disk in the temporary directory
	kept    int64 // disk in the user's cache folder
	memory  int64
}

// needs returns what is needed at most; of the inputs that are not kept in dir.
func (o *options) needs(dir string) (n needs) {
	for _, in := range o.inputs {
		n.scratch, n.memory = max(n.scratch, in.scratchBytes(o)), max(n.memory, in.memoryBytes(o))
		if !in.isThere(dir) {
			n.kept += in.keptBytes()
		}
	}
	return n
}

// prepare makes the directory that everything is done in, if there is a disk
// with room enough for it, and memory.
func prepare(opts *options) (dir string, err error) {
	if os.Geteuid() != 0 {
		return "", errors.New("mounting file systems needs root: run it with sudo")
	}
	keep, err := lab.KeepDir()
	if err != nil {
		return "", err
	}
	n := opts.needs(keep)
	tmp := os.TempDir()
	var st unix.Statfs_t
	if err := unix.Statfs(tmp, &st); err != nil {
		return "", &os.PathError{Op: "statfs", Path: tmp, Err: err}
	}
	if st.Type == unix.TMPFS_MAGIC {
		return "", fmt.Errorf("%s is in memory: set TMPDIR to a directory on a disk with %s free", tmp, cordon.FormatBytes(n.scratch))
	}
	same, err := sameFileSystem(keep, tmp)
	if err != nil {
		return "", err
	}
	if same {
		n.scratch, n.kept = n.scratch+n.kept, n.scratch+n.kept
	}
	for _, d := range []struct {
		path string
		need int64
		fix  string
	}{
		{tmp, n.scratch, "set TMPDIR to a directory with more"},
		{keep, n.kept, "set XDG_CACHE_HOME to one with more"},
	} {
		space, err := fsinfo.SpaceAt(d.path)
		if err != nil {
			return "", err
		}
		if space.Free < d.need {
			return "", fmt.Errorf("%s has %s free, and up to %s are needed: %s, or choose with --input, or --quick",
				d.path, cordon.FormatBytes(space.Free), cordon.FormatBytes(d.need), d.fix)
		}
	}
	free, err := memoryAvailable()
	if err != nil {
		return "", err
	}
	if free < n.memory {
		return "", fmt.Errorf("%s of memory are available, and up to %s are needed: choose with --input, --place or --store",
			cordon.FormatBytes(free), cordon.FormatBytes(n.memory))
	}
	return os.MkdirTemp("", "cordon-bench-")
}

func sameFileSystem(a, b string) (bool, error) {
	var sa, sb unix.Stat_t
	if err := unix.Stat(a, &sa); err != nil {
		return false, &os.PathError{Op: "stat", Path: a, Err: err}
	}
	if err := unix.Stat(b, &sb); err != nil {
		return false, &os.PathError{Op: "stat", Path: b, Err: err}
	}
	return sa.Dev == sb.Dev, nil
}

// memoryAvailable returns how many bytes of memory can be had without swapping.
func memoryAvailable() (int64, error) {
	return kilobytes("/proc/meminfo", "MemAvailable")
}

// kilobytes reads the line called name of a file of lines "Name:  123 kB" and
// returns it in bytes.
func kilobytes(path, name string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if k, v, _ := strings.Cut(lines.Text(), ":"); k == name {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no line %s", path, name)
}
