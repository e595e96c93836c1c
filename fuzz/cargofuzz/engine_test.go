package cargofuzz

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/fuzztest"
)

// crates names a directory with what the project depends on: vendor, as cargo vendor
// makes it, and the Cargo.lock that goes with it.
const crates = "CORDON_TEST_CRATES"

// project is a copy of the sample project that takes what it depends on from a
// directory of this machine. The test is skipped where there is no Rust, or no such
// directory.
func project(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("compiling libFuzzer for Rust takes a minute")
	}
	v, err := (Engine{}).Version(t.Context(), fuzztest.NewRunner(t, t.TempDir()))
	if err != nil {
		t.Skip(err)
	}
	t.Log(v)
	from := os.Getenv(crates)
	if from == "" {
		t.Skip(crates + " names no directory with the crates that the project depends on")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/project")); err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(filepath.Join(from, "Cargo.lock"))
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = %q\n[net]\noffline = true\n", filepath.Join(from, "vendor"))
	for name, text := range map[string]string{"fuzz/Cargo.lock": string(lock), ".cargo/config.toml": config} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestEngine(t *testing.T) {
	fuzztest.Engine(t, Engine{}, fuzztest.Project{
		Dir: project(t),
		Harnesses: []fuzz.Harness{
			{Name: "broken", File: "fuzz/fuzz_targets/broken.rs", Line: 5},
			{Name: "clean", File: "fuzz/fuzz_targets/clean.rs", Line: 3},
			{Name: "planted", File: "fuzz/fuzz_targets/planted.rs", Line: 5},
		},
		Planted: "planted", Function: "last_of_four", Crash: []byte("BUG" + strings.Repeat("a name that is too long", 20)),
		Clean:  "clean",
		Broken: "broken", Says: "of_nothing",
	})
}
