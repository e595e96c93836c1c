package cargofuzz

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
	"github.com/cordonlabs/cordon/fuzz/internal/libfuzz"
)

// toolchain is the worker's Rust.
type toolchain struct {
	cargo, rustc string // absolute; the programs themselves, not those of rustup that choose one
	sysroot      string
	host         string // x86_64-unknown-linux-gnu
	version      string // for people
	symbolizer   string // "": stacks of sanitizers have no names
	readable     []string
}

// find looks for cargo, rustc and a compiler for C++, which libfuzzer-sys is built
// with.
func find(ctx context.Context, run fuzz.Runner) (toolchain, error) {
	var t toolchain
	shim, err := exec.LookPath("rustc")
	if err != nil {
		return t, missing(errors.New("there is no rustc in PATH"), "install Rust on the worker, with rustup or the Debian package cargo")
	}
	home := rustupHome()
	t.readable = []string{home}
	for _, p := range []string{shim, followed(shim)} {
		t.readable = append(t.readable, filepath.Dir(p))
	}
	env := []string{"RUSTUP_HOME=" + home}
	if chosen := rustupToolchain(home); chosen != "" {
		env = append(env, "RUSTUP_TOOLCHAIN="+chosen)
	}
	ask := func(args ...string) (string, error) {
		out, problem := excerpt.New(4<<10, 0), excerpt.New(0, 4<<10)
		exit, err := run.Run(ctx, fuzz.Command{
			Args: append([]string{shim}, args...), Env: env, Stdout: out, Stderr: problem, Readable: t.readable,
		})
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return "", fmt.Errorf("running %s: %w", shim, err)
		}
		if exit.Code != 0 {
			return "", missing(fmt.Errorf("%s %s failed: %s", shim, args[0], strings.TrimSpace(problem.String())), "make rustc work on the worker")
		}
		return strings.TrimSpace(out.String()), nil
	}
	if t.sysroot, err = ask("--print", "sysroot"); err != nil {
		return t, err
	}
	about, err := ask("-vV")
	if err != nil {
		return t, err
	}
	for line := range strings.SplitSeq(about, "\n") {
		if v, ok := strings.CutPrefix(line, "rustc "); ok && t.version == "" {
			t.version = "rustc " + v
		}
		if h, ok := strings.CutPrefix(line, "host: "); ok {
			t.host = h
		}
	}
	if t.version == "" || t.host == "" {
		return t, missing(fmt.Errorf("%s does not tell its version", shim), "make rustc work on the worker")
	}
	t.rustc = filepath.Join(t.sysroot, "bin", "rustc")
	t.cargo = filepath.Join(t.sysroot, "bin", "cargo")
	if _, err := os.Stat(t.cargo); err != nil {
		return t, missing(fmt.Errorf("there is no cargo beside rustc in %s", filepath.Dir(t.cargo)), "install cargo on the worker, with rustup or the Debian package cargo")
	}
	if _, err := exec.LookPath("c++"); err != nil {
		return t, missing(errors.New("there is no c++ in PATH, which "+fuzzer+" is built with"), "install the Debian package g++ on the worker")
	}
	t.readable = append(t.readable, t.sysroot)
	if t.symbolizer = libfuzz.Symbolizer("llvm-symbolizer"); t.symbolizer != "" {
		t.readable = append(t.readable, filepath.Dir(filepath.Dir(t.symbolizer)))
	}
	return t, nil
}

// rustupHome is where rustup keeps its toolchains.
func rustupHome() string {
	if h := os.Getenv("RUSTUP_HOME"); h != "" {
		return h
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/" // no rustup then
	}
	return filepath.Join(home, ".rustup")
}

// rustupToolchain is the toolchain that rustup uses where no project has a say, "" if it
// has none. Started in a project, rustup would take, and fetch, the one that the project names.
func rustupToolchain(home string) string {
	if t := os.Getenv("RUSTUP_TOOLCHAIN"); t != "" {
		return t
	}
	var settings struct {
		Default string `toml:"default_toolchain"`
	}
	if _, err := toml.DecodeFile(filepath.Join(home, "settings.toml"), &settings); err != nil {
		return "" // Rust is not by rustup
	}
	return settings.Default
}

func followed(p string) string {
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	return p
}

// missing is the error of a machine that lacks something.
func missing(err error, fix string) error {
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "look for Rust", Err: err, Fix: fix}
}
