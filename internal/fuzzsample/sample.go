// Package fuzzsample has a small project with a planted bug for each fuzzing engine, for
// tests of packages at its own depth in this repository.
package fuzzsample

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Sample is a small project of one engine's with a planted bug.
type Sample struct {
	Engine, Workflow string
	Harness          string // the only one
	Function         string // that the bug is in
	File             string // that it is in
	Line             int

	files   map[string]string         // by name in the project, where they are in this repository
	more    map[string]string         // by name in the project, their text
	prepare func(*testing.T) []string // skips where the engine's tools are missing; returns what the environment needs
	crates  bool
}

// All has one for each engine.
var All = []Sample{
	{
		Engine: "libfuzzer", Workflow: "libfuzzer_fuzzing", Harness: "planted", Function: "copy_name", File: "src/record.c", Line: 24,
		files:   from("libfuzzer/testdata/project", "fuzz/planted.c", "src/record.c", "include/record.h"),
		prepare: needs("clang"),
	},
	{
		Engine: "afl++", Workflow: "afl_fuzzing", Harness: "planted", Function: "store_title", File: "src/packet.c", Line: 24,
		files:   from("aflpp/testdata/project", "fuzz/planted.c", "src/packet.c", "include/packet.h"),
		prepare: needs("afl-fuzz"),
	},
	{
		Engine: "go", Workflow: "go_fuzzing", Harness: "parser.FuzzHeader", Function: "parser.body", File: "parser/parser.go", Line: 16,
		files:   from("gofuzz/testdata/sample", "go.mod", "parser/parser.go", "parser/parser_test.go"),
		prepare: needs("go"),
	},
	{
		Engine: "atheris", Workflow: "atheris_fuzzing", Harness: "planted", Function: "last_of_four", File: "record/__init__.py", Line: 34,
		files:   from("atheris/testdata/project", "fuzz/planted.py", "record/__init__.py"),
		prepare: atheris,
	},
	{
		Engine: "cargo-fuzz", Workflow: "cargo_fuzzing", Harness: "planted", Function: "last_of_four", File: "src/lib.rs", Line: 42,
		files: from("cargofuzz/testdata/project", "Cargo.toml", "src/lib.rs", "fuzz/fuzz_targets/planted.rs"),
		more: map[string]string{"fuzz/Cargo.toml": `[package]
name = "record-fuzz"
version = "0.0.0"
edition = "2021"
[package.metadata]
cargo-fuzz = true
[dependencies]
libfuzzer-sys = "0.4"
record = { path = ".." }
[workspace]
[[bin]]
name = "planted"
path = "fuzz_targets/planted.rs"
test = false
doc = false
`},
		prepare: cargo, crates: true,
	},
}

// Of returns the engine's.
func Of(engine string) Sample {
	for _, s := range All {
		if s.Engine == engine {
			return s
		}
	}
	panic(engine)
}

// from names files of one of the engines' own samples.
func from(dir string, names ...string) map[string]string {
	files := map[string]string{}
	for _, n := range names {
		files[n] = filepath.Join("../../fuzz", dir, n)
	}
	return files
}

func needs(program string) func(*testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s on this machine", program)
		}
		return nil
	}
}

func atheris(t *testing.T) []string {
	t.Helper()
	python := os.Getenv("CORDON_TEST_ATHERIS")
	if python == "" {
		t.Skip("CORDON_TEST_ATHERIS names no Python with Atheris; ./test.sh makes one")
	}
	return []string{"CORDON_PYTHON=" + python}
}

// crates names a directory with what the project in Rust depends on: vendor, as cargo
// vendor makes it, and the Cargo.lock that goes with it. With them may be libfuzzer.a, what
// libfuzzer-sys compiles otherwise, which takes most of the time of a build: whether that
// works is for the tests of fuzz/cargofuzz.
const crates = "CORDON_TEST_CRATES"

const libFuzzer = "libfuzzer.a"

// cargo finds the Rust of whoever runs the tests, which the users of the tests, whose
// homes are empty, do not have.
func cargo(t *testing.T) []string {
	t.Helper()
	needs("cargo")(t)
	if os.Getenv(crates) == "" {
		t.Skip(crates + " names no directory with the crates that the project depends on; ./test.sh fetches them")
	}
	home := os.Getenv("RUSTUP_HOME")
	if home == "" {
		own, err := os.UserHomeDir()
		if err != nil {
			t.Skip(err)
		}
		home = filepath.Join(own, ".rustup")
	}
	return []string{"RUSTUP_HOME=" + home}
}

// Plant writes the sample to dir, and returns what the environment of a worker needs
// that fuzzes it. The test is skipped where the engine's tools are missing.
func (s Sample) Plant(t *testing.T, dir string) (env []string) {
	t.Helper()
	env = s.prepare(t)
	for name, at := range s.files {
		text, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(text))
	}
	for name, text := range s.more {
		write(t, filepath.Join(dir, name), text)
	}
	if s.crates {
		addCrates(t, dir)
	}
	return env
}

// Move makes the next version of the sample in dir: a line before all else in the file
// that has the bug, which is a line further on then.
func (s *Sample) Move(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, s.File)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "\n"+string(text))
	s.Line++
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// addCrates puts what the project depends on into it, so that it is built without a
// network.
func addCrates(t *testing.T, dir string) {
	t.Helper()
	from := os.Getenv(crates)
	if err := os.CopyFS(filepath.Join(dir, "vendor"), os.DirFS(filepath.Join(from, "vendor"))); err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(filepath.Join(from, "Cargo.lock"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "fuzz/Cargo.lock"), string(lock))
	config := "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = \"vendor\"\n[net]\noffline = true\n"
	if lib, err := os.ReadFile(filepath.Join(from, libFuzzer)); err == nil {
		write(t, filepath.Join(dir, libFuzzer), string(lib))
		config += fmt.Sprintf("[env]\nCUSTOM_LIBFUZZER_PATH = { value = %q, relative = true }\n", libFuzzer)
	}
	write(t, filepath.Join(dir, ".cargo/config.toml"), config)
}

// Processes lists those that work on anything below dir, an absolute path: that were
// started there, or have it in their command. Each is its id and its command.
func Processes(t *testing.T, dir string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all { // those that end meanwhile are gone
		words, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		exe, _ := os.Readlink(filepath.Join(p, "exe"))
		cwd, _ := os.Readlink(filepath.Join(p, "cwd"))
		line := strings.ReplaceAll(string(words), "\x00", " ")
		if strings.Contains(line, dir) || strings.HasPrefix(exe, dir) || strings.HasPrefix(cwd, dir) {
			found = append(found, fmt.Sprintf("%s: %.200s", filepath.Base(p), line))
		}
	}
	return found
}
