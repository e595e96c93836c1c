package crash

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func signatureOf(t *testing.T, name string, change func(log string) string) string {
	t.Helper()
	log := readLog(t, name)
	if changed := change(log); changed == log {
		t.Fatalf("%s: nothing was changed in the log", name)
	} else {
		log = changed
	}
	return Signature("wire", "decode", Parse(engineOf(name), log, "/build/wire", "/build/codec", "/elsewhere/wire", "/elsewhere/codec"), "0000")
}

// stacked are logs with a stack in which there are functions.
func stacked(t *testing.T) (names []string) {
	for _, name := range allLogs(t) {
		if f := project(parseLog(t, name).Frames); len(f) > 0 && f[0].Func != "" && len(f) > 1 {
			names = append(names, name)
		}
	}
	if len(names) < 35 {
		t.Fatalf("only %d logs have a stack: %v", len(names), names)
	}
	return names
}

func TestASignatureSurvivesWhatChangesByItself(t *testing.T) {
	digits := regexp.MustCompile(`0x[0-9a-f]{4,}`)
	changes := map[string]func(string) string{
		"addresses and pids": func(s string) string {
			s = regexp.MustCompile(`==\d+==`).ReplaceAllString(s, "==7==")
			s = digits.ReplaceAllStringFunc(s, func(a string) string { return "0x7" + strings.Repeat("a", len(a)-3) })
			return s + "\n"
		},
		"another place of the workspace": func(s string) string { return strings.ReplaceAll(s, "/build/", "/elsewhere/") + "\n" },
		"a line more at the top of every file": func(s string) string {
			s = regexp.MustCompile(`(/build/[^:"\s]*):(\d+)`).ReplaceAllString(s, "${1}:9$2")
			return regexp.MustCompile(`", line (\d+)`).ReplaceAllString(s, `", line 9$1`) + "\n"
		},
		"talk before it": func(s string) string { return "INFO: Seed: 5\n#1 INITED cov: 5\nhello\n" + s },
		"DOS line ends":  func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
	}
	for _, name := range stacked(t) {
		if name == "asan-segv-null-read" || name == "asan-segv-wild-write" {
			continue // an address is what tells these two kinds apart
		}
		want := Signature("wire", "decode", parseLog(t, name), "0000")
		for what, change := range changes {
			if got := signatureOf(t, name, change); got != want {
				t.Errorf("%s, %s: %s became %s", name, what, want, got)
			}
		}
	}
}

func TestASignatureTellsBugsApart(t *testing.T) {
	for _, name := range stacked(t) {
		r := parseLog(t, name)
		want := Signature("wire", "decode", r, "0000")
		if r.Type != "timeout" && r.Type != "out-of-memory" {
			top := r.Frames
			other := make([]Frame, len(top))
			for i, f := range top {
				if f.Func == project(top)[0].Func {
					f.Func = "another_function"
				}
				other[i] = f
			}
			changed := r
			changed.Frames = other
			if got := Signature("wire", "decode", changed, "0000"); got == want {
				t.Errorf("%s: the innermost function does not count", name)
			}
		}
		changed := r
		changed.Type += "-x"
		for what, got := range map[string]string{
			"type": Signature("wire", "decode", changed, "0000"), "harness": Signature("wire", "encode", r, "0000"), "lineage": Signature("fire", "decode", r, "0000"),
		} {
			if got == want {
				t.Errorf("%s: the %s does not count", name, what)
			}
		}
		if got := Signature("wire", "decode", r, "1111"); got != want {
			t.Errorf("%s: the input counts although there is a stack", name)
		}
	}
}

func TestWithoutAStackEachInputIsABug(t *testing.T) {
	for _, log := range []string{"", "nothing of use", "sig:11", readLog(t, "go-fuzz-terminated")} {
		r := Parse("afl++", log)
		if a, b := Signature("l", "h", r, "aa"), Signature("l", "h", r, "bb"); a == b || !IsSignature(a) {
			t.Errorf("%.20q: %s and %s", log, a, b)
		}
	}
}

func TestTheLanguageOfTheEngineGoesFirst(t *testing.T) {
	python, golang := readLog(t, "python-keyerror"), readLog(t, "go-nil")
	for _, log := range []string{python + golang, golang + python} {
		if r := Parse("atheris", log); r.Type != "uncaught-KeyError" {
			t.Errorf("atheris: %s", r.Type)
		}
		if r := Parse("go", log); r.Type != "panic-nil-dereference" {
			t.Errorf("go: %s", r.Type)
		}
	}
}

func TestAnExceptionIsOneWithItsModuleAndWithout(t *testing.T) {
	log := readLog(t, "python-own-exception")
	_, trace, _ := strings.Cut(log, "Broken: no header in b'bz'\n")
	trace = strings.Replace(trace, "\nBroken: ", "\ncodec.Broken: ", 1)
	a, b := Parse("atheris", log), Parse("atheris", trace)
	if Signature("l", "h", a, "1") != Signature("l", "h", b, "1") || b.Type != "uncaught-Broken" || !strings.HasPrefix(b.Title, "codec.Broken: ") {
		t.Errorf("%s%s", describe("a", a), describe("b", b))
	}
}

func TestPanicsWithAndWithoutABacktraceAreOneBug(t *testing.T) {
	a, b := parseLog(t, "rust-panic-backtrace-only"), parseLog(t, "rust-panic-no-backtrace")
	if x, y := Signature("l", "h", a, "1"), Signature("l", "h", b, "2"); x != y {
		t.Errorf("%s and %s:\n%s%s", x, y, describe("a", a), describe("b", b))
	}
}

func TestASessionOfGoAndTheInputRunAgainShowOneBug(t *testing.T) {
	for _, kind := range []string{"index", "fatal"} {
		a, b := parseLog(t, "go-session-"+kind), parseLog(t, "go-"+kind)
		if x, y := Signature("l", "h", a, "1"), Signature("l", "h", b, "2"); x != y || a.Type != b.Type {
			t.Errorf("%s and %s:\n%s%s", x, y, describe("a", a), describe("b", b))
		}
	}
}

func TestRacesAreOneBugWhicheverAccessCameFirst(t *testing.T) {
	r := parseLog(t, "tsan-race")
	if len(r.Other) == 0 {
		t.Fatal("the other access has no stack")
	}
	swapped := r
	swapped.Frames, swapped.Other = r.Other, r.Frames
	swapped.order()
	if Signature("l", "h", r, "1") != Signature("l", "h", swapped, "1") {
		t.Error("the order of the accesses counts")
	}
}

func TestAnExhaustedStackIsOneBugWhereverItEnds(t *testing.T) {
	frames := func(names ...string) (fs []Frame) {
		for _, n := range names {
			fs = append(fs, Frame{Func: n})
		}
		return fs
	}
	sign := func(kind string, names ...string) string {
		return Signature("l", "h", Report{Type: kind, Frames: frames(names...)}, "1")
	}
	want := sign("stack-overflow", "a", "b", "c", "a", "b", "c", "a", "main")
	for _, other := range [][]string{{"b", "c", "a", "b", "c", "a", "main"}, {"leaf", "c", "a", "b", "c", "a", "b", "x", "main"}} {
		if got := sign("stack-overflow", other...); got != want {
			t.Errorf("%v: another bug", other)
		}
	}
	if sign("timeout", "x", "y", "loop", "decode", "entry") != sign("timeout", "z", "loop", "decode", "entry") {
		t.Error("a timeout is another bug for every place where the time was up")
	}
}

func TestTheRecipeOfSignaturesIsFixed(t *testing.T) {
	// A change here makes every stored bug a new one.
	r := Report{Type: "heap-buffer-overflow-read", Frames: []Frame{{Func: "a"}, {Func: "memcpy", Runtime: true}, {Func: "b"}, {Func: "c"}, {Func: "d"}}}
	if got := Fingerprint("lineage", "harness", r, "00"); got != "5f50d2c82cf7c491fdeb80c857848057" {
		t.Errorf("the recipe changed: %s", got)
	}
}

// A project may have a copy of its fuzzer's driver, which is as little where a bug is
// as the one elsewhere.
func TestASignatureIsTheSameWithAVendoredDriver(t *testing.T) {
	const registry = "/home/user/.cargo/registry/src/registry-1949cf8c6b5b557f/libfuzzer-sys-0.4.13/"
	logs, err := filepath.Glob("testdata/logs/rust-*.txt")
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	for _, file := range logs {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		log := readLog(t, name)
		want := Signature("wire", "decode", Parse("cargo-fuzz", log, "/build/wire"), "0000")
		for _, dir := range []string{"/build/wire/vendor/libfuzzer-sys-0.4.13/", "/build/wire/fuzz/vendor/libfuzzer-sys/"} {
			vendored := strings.ReplaceAll(log, registry, dir)
			if vendored != log {
				changed++
			}
			r := Parse("cargo-fuzz", vendored, "/build/wire")
			if got := Signature("wire", "decode", r, "0000"); got != want {
				t.Errorf("%s: with the driver in %s it is %q in %+v", name, dir, r.Title, r.Where())
			}
		}
	}
	if changed == 0 {
		t.Error("no log has the driver's path")
	}
}
