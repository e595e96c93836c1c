package cargofuzz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
	"github.com/cordonlabs/cordon/fuzz/internal/libfuzz"
)

// lastSaid is how much of what cargo said an error carries, in bytes.
const lastSaid = 4 << 10

// flags are what cargo-fuzz gives to rustc: coverage for libFuzzer, overflow checks
// and assertions.
var flags = []string{
	"-Cpasses=sancov-module",
	"-Cllvm-args=-sanitizer-coverage-level=4",
	"-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
	"-Cllvm-args=-sanitizer-coverage-pc-table",
	"-Cllvm-args=-sanitizer-coverage-trace-compares",
	"-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
	"-Ccodegen-units=1",
	"-Cdebug-assertions",
	"-Cforce-frame-pointers",
	"--cfg=fuzzing",
}

// build is one Build.
type build struct {
	fuzz.Project
	toolchain
	target target
	env    []string
}

// Build implements fuzz.Engine. The harnesses of one Out share what they depend on,
// compiled once for each sanitizer.
func (e Engine) Build(ctx context.Context, p fuzz.Project, h fuzz.Harness) (fuzz.Binary, error) {
	t, err := find(ctx, p.Runner)
	if err != nil {
		return nil, err
	}
	sanitizer, more, note, err := t.sanitize(p.Sanitizer)
	if err != nil {
		return nil, err
	}
	targets, err := discover(ctx, p.Dir)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(targets, func(t target) bool { return t.Name == h.Name })
	if i < 0 {
		return nil, &cordon.Error{
			Kind: cordon.InvalidArgument, Op: "build harness", Name: fmt.Sprintf("%q", h.Name),
			Err: errors.New("the project has no such fuzz target"), Fix: "name one of those that Cargo.toml beside it lists as [[bin]]",
		}
	}
	out := filepath.Join(p.Out, "cargo-target-"+sanitizer)
	b := &build{Project: p, toolchain: t, target: targets[i], env: []string{
		"CARGO_HOME=" + filepath.Join(p.Out, "cargo-home"), "CARGO_TARGET_DIR=" + out, "CARGO_TERM_COLOR=never",
		// Lines for stacks, which the profile for releases leaves out.
		"CARGO_PROFILE_RELEASE_DEBUG=1", "CARGO_INCREMENTAL=0",
		"RUSTC=" + t.rustc, "RUSTC_BOOTSTRAP=1", "RUSTFLAGS=" + strings.Join(append(more, flags...), " "),
	}}
	program := &libfuzz.Program{
		Runner: p.Runner, Workspace: p.Dir, Out: p.Out, Dir: p.Dir, Engine: e.Name(), Harness: h.Name,
		Path: filepath.Join(out, t.host, "release", b.target.bin),
		// What cargo-fuzz sets: the standard library is not built with the sanitizer.
		Env:        append(libfuzz.SanitizerEnv(t.symbolizer, "detect_odr_violation=0"), "RUST_BACKTRACE=1"),
		Readable:   t.readable,
		Dictionary: filepath.Join(p.Dir, filepath.FromSlash(strings.TrimSuffix(h.File, path.Ext(h.File)))) + ".dict",
	}
	program.Note(p.Log, note)
	if t.symbolizer == "" && sanitizer != "none" {
		program.Note(p.Log, libfuzz.NoSymbolizer)
	}
	if err := b.cargo(ctx, "fetch", fuzz.Command{Building: true}, "--target", t.host); err != nil {
		return nil, err
	}
	if err := b.cargo(ctx, "build", fuzz.Command{}, "--target", t.host, "--offline", "--release", "--bin", b.target.bin); err != nil {
		return nil, err
	}
	if err := program.Start(ctx, p.Log); err != nil {
		return nil, err
	}
	return program, nil
}

// cargo runs a command of cargo on the target's crate.
func (b *build) cargo(ctx context.Context, command string, c fuzz.Command, args ...string) error {
	said := excerpt.New(0, lastSaid)
	w := io.MultiWriter(said, b.Log)
	c.Args = slices.Concat([]string{b.toolchain.cargo, command, "--manifest-path", "./" + b.target.manifest}, args)
	c.Env, c.Stdout, c.Stderr, c.Readable = b.env, w, w, b.readable
	exit, err := b.Runner.Run(ctx, c)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("building %q: running cargo: %w", b.target.Name, err)
	}
	if exit.Code == 0 {
		return nil
	}
	fix := "make it build: cargo build --manifest-path " + b.target.manifest
	if command == "fetch" {
		fix = "let the workflow's metadata allow the network for builds, or vendor what the project depends on (cargo vendor)"
	}
	what := fmt.Sprintf("cargo %s exited with %d", command, exit.Code)
	if exit.Limit != "" {
		what = fmt.Sprintf("cargo %s met the limit of %s", command, exit.Limit)
	}
	return &cordon.Error{
		Kind: cordon.InvalidArgument, Op: "build harness", Name: fmt.Sprintf("%q", b.target.Name),
		Err: errors.New(what + ": " + strings.TrimSpace(said.String())), Fix: fix,
	}
}
