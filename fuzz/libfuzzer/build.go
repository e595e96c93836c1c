package libfuzzer

import (
	"context"
	"slices"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/cproject"
	"github.com/cordonlabs/cordon/fuzz/internal/libfuzz"
)

// Build implements fuzz.Engine.
func (Engine) Build(ctx context.Context, p fuzz.Project, h fuzz.Harness) (fuzz.Binary, error) {
	san, err := cproject.ParseSanitizer(Engine{}.Name(), p.Sanitizer)
	if err != nil {
		return nil, err
	}
	c, err := find(ctx, p.Runner)
	if err != nil {
		return nil, err
	}
	b := &cproject.Build{
		Project: p, Harness: h, CC: c.cc, CXX: c.cxx, AR: c.ar, Readable: c.readable,
		Flags: slices.Concat(cproject.Flags(), []string{"-fsanitize=fuzzer-no-link"}, san.Flags), Link: []string{"-fsanitize=fuzzer"},
		Engine: "libfuzzer", Sanitizer: san.Name,
	}
	program := &libfuzz.Program{
		Runner: p.Runner, Workspace: p.Dir, Out: p.Out, Engine: Engine{}.Name(), Harness: h.Name,
		Env: libfuzz.SanitizerEnv(c.symbolizer), Readable: c.readable,
	}
	if c.symbolizer == "" {
		program.Note(p.Log, libfuzz.NoSymbolizer)
	}
	made, err := b.Make(ctx)
	if err != nil {
		return nil, err
	}
	program.Path, program.Dir, program.Dictionary = made.Path, made.Dir, made.Dictionary
	if err := program.Start(ctx, p.Log); err != nil {
		return nil, err
	}
	return program, nil
}
