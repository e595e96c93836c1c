package gofuzz

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const said = `fuzz: elapsed: 0s, gathering baseline coverage: 0/2 completed
2026-11-26 20:37:55.973572194 DEBUG processed an initial input, id: , new bits: 4, size: 0, exec time: 85.637µs
2026-11-26 20:37:55.973572194 DEBUG processed an initial input, id: , new bits: 0, size: 0, exec time: 85.637µs
fuzz: elapsed: 0s, gathering baseline coverage: 2/2 completed, now fuzzing with 2 workers
2026-11-26 20:37:55.973741235 DEBUG finished processing input corpus, entries: 1, initial coverage bits: 4
2026-11-26 20:37:58.570197862 DEBUG new interesting input, id: 150aa355, parent: /w/cache/FuzzParse/f363328c, gen: 3, new bits: 3, total bits: 10, size: 31, exec time: 0s
fuzz: elapsed: 3s, execs: 220787 (73567/sec), new interesting: 3 (total: 5)
fuzz: minimizing 31-byte failing input file
2026-11-26 20:37:59.048853819 DEBUG found crasher, id: /w/seeds/FuzzParse/0db1, parent: /w/cache/FuzzParse/150aa3550a2f053a, gen: 4, size: 31, exec time: 0s
fuzz: elapsed: 5s, minimizing
--- FAIL: FuzzParse (5.11s)
    --- FAIL: FuzzParse (0.00s)
        testing.go:1927: panic: boom
            goroutine 121600 [running]:
            runtime/debug.Stack()
            	/usr/local/go/src/runtime/debug/stack.go:26 +0x9b
            testing.tRunner.func1()
            	/usr/local/go/src/testing/testing.go:1927 +0x1d0
            panic({0x60f3c0?, 0x665e50?})
            	/usr/local/go/src/runtime/panic.go:860 +0x13a
            example.com/m.Parse({0x1fd726eaa940, 0x4, 0x0?})
            	/w/m.go:6 +0x2d2

    Failing input written to /etc/passwd
    To re-run:
FAIL`

func TestProgress(t *testing.T) {
	p := newProgress()
	// Lines come in pieces.
	if _, err := io.Copy(p, iotest.OneByteReader(strings.NewReader(said))); err != nil {
		t.Fatal(err)
	}
	p.flush()
	st := p.snapshot()
	if st.Executions != 220787 || st.Corpus != 5 || st.Coverage != 10 || st.LastNew.IsZero() || st.PerSecond <= 0 {
		t.Errorf("stats: %+v", st)
	}
	if p.warmup != 2 || !p.warmedUp() || fmt.Sprint(p.bits) != "[4 0]" || p.parent != "150aa3550a2f053a" {
		t.Errorf("warm-up %d, %v, bits %v, parent %q", p.warmup, p.fuzzing, p.bits, p.parent)
	}
	want := `--- FAIL: FuzzParse (5.11s)
--- FAIL: FuzzParse (0.00s)
panic: boom

goroutine 121600 [running]:
panic({0x60f3c0?, 0x665e50?})
	/usr/local/go/src/runtime/panic.go:860 +0x13a
example.com/m.Parse({0x1fd726eaa940, 0x4, 0x0?})
	/w/m.go:6 +0x2d2`
	if got := p.failure(); got != want {
		t.Errorf("the report is\n%s\nwant\n%s", got, want)
	}
}

// Whatever a harness prints, it is read in bounded memory, and nothing but numbers
// and names without a slash come out.
func FuzzProgress(f *testing.F) {
	f.Add([]byte(said))
	f.Add([]byte("failure while testing seed corpus entry: FuzzX/seed#1\n"))
	f.Add([]byte("fuzz: elapsed: 3s, execs: 99999999999999999999 (1/sec)\n"))
	f.Add([]byte("--- FAIL: a\n      goroutine 1 [x]:\nruntime/debug.Stack()\n"))
	f.Add(bytes.Repeat([]byte("panic: x"), 5000))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := newProgress()
		for range 3 {
			p.Write(b)
		}
		p.flush()
		if len(p.line) > maxLine || len(p.report) > maxReport || len(p.output()) > 3*lastLines {
			t.Errorf("kept %d, %d and %d bytes", len(p.line), len(p.report), len(p.output()))
		}
		if st := p.snapshot(); st.Executions < 0 || st.Corpus < 0 || st.Coverage < 0 {
			t.Errorf("stats: %+v", st)
		}
		if strings.Contains(p.parent, "/") || len(p.failure()) > 2*maxReport {
			t.Errorf("parent %q", p.parent)
		}
	})
}

// What is read of an input and written again means the same: it is the same the next time.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(header + "\n[]byte(\"a\\x00\")\nint(-3)\nfloat64(+Inf)\nrune('x')\nmath.Float64frombits(0x7ff8000000000002)\n"))
	f.Add([]byte(header + "\r\nstring(`raw`)\r\n\r\n"))
	f.Add([]byte(header + "\n[]byte(x"))
	f.Add([]byte("something else"))
	f.Fuzz(func(t *testing.T, b []byte) {
		values, err := decode(b)
		if err != nil {
			return
		}
		again, err := decode(encode(values))
		if err != nil {
			t.Fatalf("%q became %q: %v", b, encode(values), err)
		}
		if len(again) != len(values) {
			t.Fatalf("%d values became %d", len(values), len(again))
		}
		for i, v := range values {
			if w := again[i]; w.typ != v.typ || !bytes.Equal(w.data, v.data) || !v.isBytes() && w.text != v.text {
				t.Errorf("%+v became %+v", v, w)
			}
		}
	})
}

// A file from anywhere is read without harm, and every harness has a name and a line.
func FuzzHarnesses(f *testing.F) {
	f.Add([]byte("package x\nimport \"testing\"\nfunc FuzzA(f *testing.F) {}\n"))
	f.Add([]byte("//go:build windows\n\npackage x\nimport t \"testing\"\nfunc FuzzA(f *t.F) {}\n"))
	f.Add([]byte("package x\nfunc FuzzA("))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, h := range harnesses("a/x_test.go", text) {
			dir, function := split(h.Name)
			if dir != "a" || !strings.HasPrefix(function, "Fuzz") || h.Line < 1 {
				t.Errorf("%+v", h)
			}
		}
	})
}

// What the go command would not take for a harness is none.
func TestHarnesses(t *testing.T) {
	found := func(file, text string) string {
		var names []string
		for _, h := range harnesses(file, []byte(text)) {
			names = append(names, fmt.Sprint(h.Name, ":", h.Line))
		}
		return strings.Join(names, " ")
	}
	for _, c := range []struct{ file, text, want string }{
		{"x_test.go", "package x\nimport \"testing\"\nfunc FuzzA(f *testing.F) {}\nfunc Fuzz(f *testing.F) {}", "FuzzA:3 Fuzz:4"},
		{"a/b/x_test.go", "package x\nimport q \"testing\"\nfunc FuzzA(f *q.F) {}", "a/b.FuzzA:3"},
		{"x_test.go", "package x\nimport . \"testing\"\nfunc FuzzA(f *F) {}", "FuzzA:3"},
		{"x_test.go", "package x\nimport \"testing\"\nfunc Fuzzy(f *testing.F) {}", ""},
		{"x_test.go", "package x\nimport \"testing\"\nfunc FuzzA(t *testing.T) {}", ""},
		{"x_test.go", "package x\nimport \"testing\"\nfunc FuzzA(f testing.F) {}", ""},
		{"x_test.go", "package x\nimport \"testing\"\nfunc FuzzA(f *testing.F) int { return 0 }", ""},
		{"x_test.go", "package x\nimport \"testing\"\nfunc FuzzA(f, g *testing.F) {}", ""},
		{"x_test.go", "package x\nimport \"testing\"\ntype T int\nfunc (T) FuzzA(f *testing.F) {}", ""},
		{"x_test.go", "package x\nimport \"other/testing\"\nfunc FuzzA(f *testing.F) {}", ""},
		{"x_test.go", "//go:build ignore\n\npackage x\nimport \"testing\"\nfunc FuzzA(f *testing.F) {}", ""},
		{"x_windows_test.go", "package x\nimport \"testing\"\nfunc FuzzA(f *testing.F) {}", ""},
		{"x_linux_test.go", "package x\nimport \"testing\"\nfunc FuzzA(f *testing.F) {}", "FuzzA:3"},
		{"x_test.go", "package x\nimport \"testing\"\n// func FuzzA(f *testing.F) {}", ""},
	} {
		if got := found(c.file, c.text); got != c.want {
			t.Errorf("in %s with\n%s\nit found %q, want %q", c.file, c.text, got, c.want)
		}
	}
	for dir, want := range map[string]bool{".": false, "a/b": false, "a/testdata/b": true, "vendor/x": true, ".git": true, "a/_b": true, "testdata2": false} {
		if ignored(dir) != want {
			t.Errorf("%s: ignored is %v", dir, !want)
		}
	}
}

func TestVersion(t *testing.T) {
	for v, want := range map[string]int{"go1.26.8": 26, "go1.21": 21, "go1.22rc1": 22, "devel go1.27-abc": 1 << 20} {
		if got, ok := minorVersion(v); !ok || got != want {
			t.Errorf("%q is %d, %v", v, got, ok)
		}
	}
	for _, v := range []string{"", "go2", "go1.", "1.26", "go1.26\nx"} {
		if got, ok := minorVersion(v); ok {
			t.Errorf("%q is %d", v, got)
		}
	}
}

func TestRequires(t *testing.T) {
	for mod, want := range map[string]bool{
		"module x\ngo 1.21\n": false, "module x\nrequire a v1\n": true, "module x\nrequire (\n a v1\n)\n": true, "// require a\n": false,
	} {
		if got := requires([]byte(mod)); got != want {
			t.Errorf("%q: %v", mod, got)
		}
	}
}
