package cargofuzz

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/fuzztest"
)

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
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

// Each crate of a workspace may have fuzz targets of the same names.
func TestDiscoverWorkspace(t *testing.T) {
	const target = "fuzz_target!(|data: &[u8]| {});"
	dir := tree(t, map[string]string{
		"Cargo.toml":                "[workspace]\nmembers = [\"one\", \"two\"]",
		"one/fuzz/Cargo.toml":       "package.name = \"one-fuzz\"\nbin = [{name = \"parse\", path = \"parse.rs\"}, {name = \"../up\", path = \"parse.rs\"}]\n[dependencies]\nlibfuzzer-sys = {version = \"0.4\"}",
		"one/fuzz/parse.rs":         target,
		"two/fuzz/Cargo.toml":       "[package]\nname = \"two-fuzz\"\n[dependencies.fuzzer]\npackage = \"libfuzzer-sys\"\n[[bin]]\nname = \"parse\"\npath = \"./parse.rs\"\n[[bin]]\nname = \"print\"\n[[bin]]\nname = \"away\"\npath = \"../../../parse.rs\"\n[[bin]]\nname = \"tool\"\npath = \"tool.rs\"",
		"two/fuzz/parse.rs":         "\n" + target,
		"two/fuzz/src/bin/print.rs": target,
		"two/fuzz/tool.rs":          "fn main() {}",
		"three/Cargo.toml":          "[package]\nname = \"three\"\n[[bin]]\nname = \"afl\"\npath = \"afl.rs\"\n[dependencies]\nafl = \"*\"",
		"three/afl.rs":              target,
		"broken/Cargo.toml":         "[[bin]",
	})
	got, err := Engine{}.Discover(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []fuzz.Harness{
		{Name: "one-fuzz-parse", File: "one/fuzz/parse.rs", Line: 1},
		{Name: "print", File: "two/fuzz/src/bin/print.rs", Line: 1},
		{Name: "two-fuzz-parse", File: "two/fuzz/parse.rs", Line: 2},
	}
	if !slices.Equal(got, want) {
		t.Errorf("it found\n%+v\nnot\n%+v", got, want)
	}
}

// A Rust without sanitizers fuzzes without, and says so.
func TestSanitize(t *testing.T) {
	with := toolchain{host: "x", sysroot: tree(t, map[string]string{"lib/rustlib/x/lib/librustc-stable_rt.asan.a": ""})}
	without := toolchain{host: "x", sysroot: t.TempDir(), version: "rustc 1.63.0"}
	for _, c := range []struct {
		t          toolchain
		wish, name string
		flag, note bool
	}{
		{with, "", "address", true, false},
		{with, "address", "address", true, false},
		{with, "leak", "none", false, true},
		{with, "none", "none", false, false},
		{without, "", "none", false, true},
		{without, "address", "none", false, true},
	} {
		name, flags, note, err := c.t.sanitize(c.wish)
		if err != nil || name != c.name || (len(flags) > 0) != c.flag || (note != "") != c.note {
			t.Errorf("%q: %q, %q, %q, %v", c.wish, name, flags, note, err)
		}
	}
	for _, wish := range []string{"memory", "thread", "undefined", "address,leak"} {
		if _, _, _, err := with.sanitize(wish); cordon.KindOf(err) != cordon.InvalidArgument {
			t.Errorf("%q: %v", wish, err)
		}
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Engine{}.Version(t.Context(), fuzztest.NewRunner(t, t.TempDir()))
	if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "install Rust") {
		t.Errorf("got %v", err)
	}
}

// The toolchain is the worker's, even where the project names another.
func TestProjectNamesToolchain(t *testing.T) {
	run := fuzztest.NewRunner(t, t.TempDir())
	want, err := Engine{}.Version(t.Context(), run)
	if err != nil {
		t.Skip(err)
	}
	named := fuzztest.NewRunner(t, tree(t, map[string]string{"rust-toolchain.toml": "[toolchain]\nchannel = \"1.2.3\""}))
	if got, err := (Engine{}).Version(t.Context(), named); err != nil || got != want {
		t.Errorf("the version is %q, %v, not %q", got, err, want)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add("[[bin]]\nname = \"a\"\npath = \"a.rs\"\n[dependencies]\nlibfuzzer-sys = \"1\"")
	f.Add("[dependencies.x]\npackage = \"libfuzzer_sys\"\n[[bin]]\nname = \"a\"")
	f.Fuzz(func(t *testing.T, text string) {
		dir := tree(t, map[string]string{"Cargo.toml": text, "a.rs": "fuzz_target!(|d| {});"})
		hs, err := Engine{}.Discover(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hs {
			if h.Name == "" || h.File != "a.rs" {
				t.Errorf("it found %+v", h)
			}
		}
	})
}
