package gofuzz

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

// hang is the longest that an input may take: Go itself ends a process after ten
// seconds, without saying why.
const hang = 9 * time.Second

// memory is the most that a process may take where a session does not say: as much as
// other fuzzers allow.
const memory = 2 << 30

// Exit statuses of a process that inside.go.txt ended.
const (
	exitHang   = 97
	exitMemory = 98
)

// binary is fuzz.Binary.
type binary struct {
	name     string // of the harness
	function string
	dir      string // of its package, relative to the project
	pkg      string // the same, absolute
	exe      string // the test binary
	version  string // of Go

	workspace, out string
	run            fuzz.Runner
	log            io.Writer
	see            []string

	memory atomic.Int64 // that the last session allowed a process; 0: the default

	learning sync.Mutex
	learned  *traits // nil: nobody has asked
}

var _ fuzz.Binary = (*binary)(nil)

// limits is what one input may use.
type limits struct {
	time   time.Duration
	memory int64
}

func (l limits) orDefault() limits {
	if l.time <= 0 || l.time > hang {
		l.time = hang
	}
	if l.memory <= 0 {
		l.memory = memory
	}
	return l
}

// command runs the test binary in room, in the directory of its package, as the go
// command would.
func (b *binary) command(r *room, l limits, args ...string) fuzz.Command {
	return fuzz.Command{
		Args: append([]string{b.exe, "-test.paniconexit0", "-test.timeout=0"}, args...),
		Dir:  b.pkg, Env: append(environmentOf(r.seedsAbove.Path, l), "TMPDIR="+r.tmp.Path, "HOME="+r.tmp.Path, "GODEBUG=fuzzdebug=1"),
		Readable: b.see,
	}
}

// environmentOf is what inside.go.txt reads.
func environmentOf(seeds string, l limits) []string {
	return []string{
		"CORDON_GO_SEEDS=" + seeds,
		"CORDON_GO_TIMEOUT_MS=" + strconv.FormatInt(max(1, l.time.Milliseconds()), 10),
		"CORDON_GO_MEMORY=" + strconv.FormatInt(l.memory, 10),
	}
}

// room is what one session, or one reproduction, has for itself. What it needs of
// the project is copied into it, so that sessions beside each other do not meet.
type room struct {
	out  *scratch.Folder
	name string

	seedsAbove, seeds *scratch.Folder // seeds/FuzzXxx: what Go takes for the project's; crashes appear here
	cacheAbove, cache *scratch.Folder // cache/FuzzXxx: the corpus, and what is new in it
	tmp               *scratch.Folder
}

func (b *binary) newRoom() (*room, error) {
	out, err := scratch.Open(b.workspace, b.out)
	if err != nil {
		return nil, err
	}
	r := &room{out: out, name: "go-session-" + strings.ToLower(rand.Text())}
	top, err := out.Sub(r.name)
	if err != nil {
		out.Close()
		return nil, err
	}
	defer top.Close()
	sub := func(in *scratch.Folder, name string) (d *scratch.Folder) {
		if err == nil {
			d, err = in.Sub(name)
		}
		return d
	}
	r.seedsAbove = sub(top, "seeds")
	r.seeds = sub(r.seedsAbove, b.function)
	r.cacheAbove = sub(top, "cache")
	r.cache = sub(r.cacheAbove, b.function)
	r.tmp = sub(top, "tmp")
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// close removes the room. What cannot be removed goes with the workspace.
func (r *room) close() {
	for _, d := range []*scratch.Folder{r.seedsAbove, r.seeds, r.cacheAbove, r.cache, r.tmp} {
		if d != nil {
			d.Close()
		}
	}
	r.out.RemoveAll(r.name)
	r.out.Close()
}

// open opens a directory that the caller of a method names.
func (b *binary) open(dir string) (*scratch.Folder, error) { return scratch.Open(b.workspace, dir) }

// read reads the input in a file of the workspace, as its bytes are.
func (b *binary) read(file string) ([]byte, error) {
	d, err := b.open(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Read(filepath.Base(file), scratch.MaxInput)
}

// fail says that the harness did not do what it should.
func (b *binary) fail(op string, err error, fix string) error {
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: op, Name: fmt.Sprintf("%q", b.name), Err: err, Fix: fix}
}

// within ends a context after d, if that is more than 0.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}
