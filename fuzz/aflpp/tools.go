package aflpp

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
	"github.com/cordonlabs/cordon/fuzz/internal/libfuzz"
)

// tools are the programs of AFL++ and what they need, by absolute paths.
type tools struct {
	fuzz, showmap string
	cc, cxx, ar   string
	symbolizer    string // "": stacks have no names
	version       string // of afl-fuzz
	readable      []string
}

var versionLine = regexp.MustCompile(`afl-fuzz\S*?\+\+(\d+)\.(\d+)(\S*)`)

// oldest is the first minor version of AFL++ 4 that has what is used here.
const oldest = 4

// find looks for AFL++ on this machine.
func find(ctx context.Context, run fuzz.Runner) (tools, error) {
	var t tools
	for name, path := range map[string]*string{
		"afl-fuzz": &t.fuzz, "afl-showmap": &t.showmap, "afl-clang-fast": &t.cc, "afl-clang-fast++": &t.cxx, "ar": &t.ar,
	} {
		var err error
		if *path, err = exec.LookPath(name); err != nil {
			return tools{}, missing(fmt.Errorf("there is no %s in PATH", name))
		}
	}
	// They are called by several names, and act on them; what they need lies beside what these lead to.
	if real, err := filepath.EvalSymlinks(t.cc); err == nil {
		t.readable = append(t.readable, filepath.Dir(filepath.Dir(real)))
	}
	if t.symbolizer = libfuzz.Symbolizer("llvm-symbolizer", "llvm-symbolizer-14"); t.symbolizer != "" {
		t.readable = append(t.readable, filepath.Dir(filepath.Dir(t.symbolizer)))
	}
	said := excerpt.New(4<<10, 0)
	exit, err := run.Run(ctx, fuzz.Command{Args: []string{t.fuzz, "-h"}, Stdout: said, Stderr: said, Readable: t.readable})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return tools{}, err
	}
	m := versionLine.FindStringSubmatch(plainText(said.String()))
	if m == nil {
		return tools{}, missing(fmt.Errorf("%s does not tell its version: exit status %d, %.200q", t.fuzz, exit.Code, said))
	}
	major, minor := number(m[1]), number(m[2])
	if major < 4 || major == 4 && minor < oldest {
		return tools{}, missing(fmt.Errorf("%s is of version %s.%s", t.fuzz, m[1], m[2]))
	}
	t.version = "AFL++ " + m[1] + "." + m[2] + m[3]
	return t, nil
}

func missing(err error) error {
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "look for AFL++", Err: err,
		Fix: "install the Debian packages afl++ (4.04c or newer), clang and llvm on the worker"}
}

// number reads digits; what does not fit is no number of AFL's.
func number(digits string) int64 {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

var colour = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")

// plainText is what AFL says, without what is meant for a terminal.
func plainText(s string) string { return colour.ReplaceAllString(s, "") }
