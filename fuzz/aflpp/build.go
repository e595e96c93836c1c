package aflpp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/cproject"
	"github.com/cordonlabs/cordon/fuzz/internal/libfuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
	"github.com/cordonlabs/cordon/fuzz/internal/source"
)

// binary is fuzz.Binary.
type binary struct {
	workspace, out string
	run            fuzz.Runner
	log            io.Writer
	harness        string
	tools          tools
	kind           kind

	program   cproject.Program // that AFL runs
	witness   string           // that says what a crash is: the same, or one with AddressSanitizer
	sanitizer string           // of program

	mu    sync.Mutex
	known map[string]bool // signatures of the bugs that were told of
}

var (
	_ fuzz.Binary = (*binary)(nil)
	_ fuzz.Noted  = (*binary)(nil)
)

// Build implements fuzz.Engine.
func (e Engine) Build(ctx context.Context, p fuzz.Project, h fuzz.Harness) (fuzz.Binary, error) {
	san, err := cproject.ParseSanitizer(e.Name(), p.Sanitizer)
	if err != nil {
		return nil, err
	}
	t, err := find(ctx, p.Runner)
	if err != nil {
		return nil, err
	}
	text, err := scratch.Read(p.Dir, filepath.Join(p.Dir, filepath.FromSlash(h.File)), source.MaxFile)
	if err != nil {
		return nil, fmt.Errorf("building %q: %w", h.Name, err)
	}
	k, at := classify(text, source.Bare(text))
	if at < 0 {
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "build harness", Name: fmt.Sprintf("%q", h.Name),
			Err: fmt.Errorf("%q is no harness", h.File), Fix: "name one that was discovered"}
	}
	b := &binary{
		workspace: p.Dir, out: p.Out, run: p.Runner, log: p.Log, harness: h.Name, tools: t, kind: k,
		sanitizer: san.Name, known: make(map[string]bool),
	}
	if t.symbolizer == "" {
		fmt.Fprintln(p.Log, libfuzz.NoSymbolizer)
	}
	if b.program, err = b.compile(ctx, p, h, san); err != nil {
		return nil, err
	}
	b.witness = b.program.Path
	if len(san.Flags) == 0 {
		address, err := cproject.ParseSanitizer(e.Name(), "address")
		if err != nil {
			return nil, err
		}
		witness, err := b.compile(ctx, p, h, address)
		if err != nil {
			return nil, err
		}
		b.witness = witness.Path
	}
	return b, nil
}

func (b *binary) compile(ctx context.Context, p fuzz.Project, h fuzz.Harness, san cproject.Sanitizer) (cproject.Program, error) {
	build := &cproject.Build{
		Project: p, Harness: h, CC: b.tools.cc, CXX: b.tools.cxx, AR: b.tools.ar, Readable: b.tools.readable,
		Env: []string{"AFL_QUIET=1"}, Flags: slices.Concat(cproject.Flags(), san.Flags),
		Engine: "afl", Sanitizer: san.Name,
	}
	if b.kind.entry {
		build.Link = []string{"-fsanitize=fuzzer"} // afl-clang-fast links its own driver for it
	}
	return build.Make(ctx)
}

// environment is that of a program which is to say what it has met.
func (b *binary) environment() []string {
	more := []string{"abort_on_error=1", "handle_abort=1", "detect_odr_violation=0"}
	if b.sanitizer != "leak" {
		more = append(more, "detect_leaks=0") // as AFL has it
	}
	return libfuzz.SanitizerEnv(b.tools.symbolizer, more...)
}

// Notes implements fuzz.Noted.
func (b *binary) Notes() []string {
	if b.tools.symbolizer == "" {
		return []string{libfuzz.NoSymbolizer}
	}
	return nil
}

// signature tells the bugs of one harness apart.
func (b *binary) signature(r fuzz.Reproduction) string {
	return string(r.Kind) + crash.Signature("", b.harness, crash.Parse(Engine{}.Name(), r.Log, b.workspace), "")
}

// failed is the error of a tool of AFL's that ended without having done its work.
func (b *binary) failed(op string, exit fuzz.Exit, said string) error {
	how := fmt.Sprintf("it exited with %d", exit.Code)
	switch {
	case exit.Limit != "":
		how = "it met the limit of " + exit.Limit
	case exit.Signal != 0:
		how = "it died of " + exit.Signal.String()
	}
	e := &cordon.Error{Op: op, Name: fmt.Sprintf("%q", b.harness), Err: errors.New(how + "; it said last:\n" + strings.TrimSpace(said))}
	if exit.Limit == "" && exit.Signal == 0 {
		// It will not do better the next time.
		e.Kind, e.Fix = cordon.InvalidArgument, "make the harness run by itself, on any input"
	}
	return e
}
