package libfuzzer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/cproject"
	"github.com/cordonlabs/cordon/fuzz/internal/fuzztest"
	"github.com/cordonlabs/cordon/fuzz/internal/source"
)

// built builds the only harness of a project in testdata.
func built(t *testing.T, project, sanitizer string) (fuzz.Binary, string, error) {
	t.Helper()
	needClang(t)
	dir := filepath.Join(t.TempDir(), "workspace")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", project))); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, ".cordon", "build")
	if err := os.MkdirAll(out, 0o755); err != nil {
		t.Fatal(err)
	}
	hs, err := Engine{}.Discover(t.Context(), dir)
	if err != nil || len(hs) != 1 {
		t.Fatalf("it has the harnesses %+v, %v; want one", hs, err)
	}
	b, err := Engine{}.Build(t.Context(), fuzz.Project{
		Dir: dir, Out: out, Runner: fuzztest.NewRunner(t, dir), Log: t.Output(), Sanitizer: sanitizer,
	}, hs[0])
	return b, dir, err
}

func input(t *testing.T, dir, data string) string {
	t.Helper()
	file := filepath.Join(dir, "input")
	if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestKinds(t *testing.T) {
	for sanitizer, cases := range map[string]map[string]struct {
		kind fuzz.FoundKind
		has  string
	}{
		"address": {
			"H": {fuzz.FoundTimeout, "kinds.c:16"},
			"M": {fuzz.FoundMemory, "out-of-memory"},
			"L": {fuzz.FoundLeak, "kinds.c:22"},
			"A": {fuzz.FoundCrash, "Assertion `size > 1000' failed"},
			"U": {"", ""}, // nobody looks
		},
		"address,undefined": {"U": {fuzz.FoundCrash, "signed integer overflow"}, "L": {fuzz.FoundLeak, "kinds.c:22"}},
		"none":              {"A": {fuzz.FoundCrash, "Assertion `size > 1000' failed"}, "L": {"", ""}},
	} {
		t.Run(sanitizer, func(t *testing.T) {
			b, dir, err := built(t, "kinds", sanitizer)
			if err != nil {
				t.Fatal(err)
			}
			for data, want := range cases {
				limit := time.Minute
				if data == "H" {
					limit = 2 * time.Second
				}
				r, err := b.Reproduce(t.Context(), input(t, dir, data), limit)
				if err != nil || r.Crashed != (want.kind != "") || r.Kind != want.kind || !strings.Contains(r.Log, want.has) {
					t.Errorf("%s: %v %q, %v, want %q; the report:\n%s", data, r.Crashed, r.Kind, err, want.kind, r.Log)
				}
			}
		})
	}
}

// A hang, and memory that runs out, are found as what they are, with their report.
func TestFindsKinds(t *testing.T) {
	b, dir, err := built(t, "kinds", "")
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]struct {
		kind fuzz.FoundKind
		has  string
	}{"H": {fuzz.FoundTimeout, "#1"}, "M": {fuzz.FoundMemory, "libFuzzer: out-of-memory"}, "L": {fuzz.FoundLeak, "kinds.c:22"}} {
		s := fuzz.Session{
			Corpus: filepath.Join(dir, "corpus-"+data), Artifacts: filepath.Join(dir, "artifacts-"+data),
			Jobs: 1, Duration: 2 * time.Minute, InputTimeout: time.Second, Memory: 200 << 20,
		}
		for _, d := range []string{s.Corpus, s.Artifacts} {
			if err := os.Mkdir(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		input(t, s.Corpus, data)
		var found []fuzz.Found
		s.Found = func(f fuzz.Found) { found = append(found, f) }
		ended, err := b.Fuzz(t.Context(), s)
		if err != nil || !ended.Crashed || len(found) != 1 {
			t.Fatalf("%s: it ended with %+v, %v, and found %+v", data, ended, err, found)
		}
		if f := found[0]; f.Kind != want.kind || !strings.Contains(f.Log, want.has) {
			t.Errorf("%s: found %q, want %q; the report:\n%s", data, f.Kind, want.kind, f.Log)
		}
	}
}

func TestScript(t *testing.T) {
	b, dir, err := built(t, "scripted", "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Reproduce(t.Context(), input(t, dir, "hi"), time.Minute)
	if err != nil || r.Crashed || filepath.Base(r.Command[0]) != "greet_fuzz" {
		t.Errorf("reproduced: %+v, %v", r, err)
	}
}

// A script runs once for all harnesses of its project, as in OSS-Fuzz.
func TestScriptRunsOnce(t *testing.T) {
	needClang(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "scripted"))); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := (Engine{}).Build(t.Context(), fuzz.Project{
			Dir: dir, Out: out, Runner: fuzztest.NewRunner(t, dir), Log: t.Output(),
		}, fuzz.Harness{Name: "greet-fuzz", File: "greet-fuzz.c"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestScriptFails(t *testing.T) {
	needClang(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	for _, d := range []string{out, filepath.Join(dir, "fuzz")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for script, says := range map[string]string{
		"echo no such luck with $LIB_FUZZING_ENGINE; exit 3":    "no such luck",
		": $LIB_FUZZING_ENGINE; echo x >$OUT/notes; : >$OUT/it": "no program called harness",
		": $LIB_FUZZING_ENGINE; $THERE_IS_NO_SUCH_VARIABLE":     "THERE_IS_NO_SUCH_VARIABLE",
	} {
		if err := os.WriteFile(filepath.Join(dir, "fuzz", "build.sh"), []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		p := fuzz.Project{Dir: dir, Out: filepath.Join(out, source.Plain(says)), Runner: fuzztest.NewRunner(t, dir), Log: t.Output()}
		_, err := Engine{}.Build(t.Context(), p, fuzz.Harness{Name: "harness", File: "fuzz/harness.c"})
		if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want %q", script, err, says)
		}
	}
}

func TestSanitizers(t *testing.T) {
	for wish, ok := range map[string]bool{
		"": true, "address": true, "undefined": true, "memory": true, "thread": true, "leak": true, "none": true,
		"address,undefined": true, "undefined,address": true,
		"address,memory": false, "Address": false, "address,": false, "none,none": false,
	} {
		if _, err := cproject.ParseSanitizer("libfuzzer", wish); (err == nil) != ok || err != nil && cordon.KindOf(err) != cordon.InvalidArgument {
			t.Errorf("%q: %v", wish, err)
		}
	}
}

// A machine without clang is told what to install.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Engine{}.Version(t.Context(), fuzztest.NewRunner(t, t.TempDir()))
	if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "libclang-rt-14-dev") {
		t.Errorf("got %v", err)
	}
}
