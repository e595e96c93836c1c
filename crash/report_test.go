package crash

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/reports.golden anew")

// readLog reads a log of testdata: what real tools have printed of small programs,
// with the machine's own paths replaced.
func readLog(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "logs", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func engineOf(name string) string {
	for prefix, engine := range map[string]string{"python": "atheris", "rust": "cargo-fuzz", "go": "go", "afl": "afl++"} {
		if strings.HasPrefix(name, prefix) {
			return engine
		}
	}
	return "libfuzzer"
}

// parseLog parses a log of testdata as one of a project at /build/wire or /build/codec.
func parseLog(t testing.TB, name string) Report {
	return Parse(engineOf(name), readLog(t, name), "/build/wire", "/build/codec")
}

func allLogs(t testing.TB) (names []string) {
	t.Helper()
	paths, err := filepath.Glob("testdata/logs/*.txt")
	if err != nil || len(paths) < 40 {
		t.Fatal(len(paths), err)
	}
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(p), ".txt"))
	}
	return names
}

// describe renders what a report says, for the golden file.
func describe(name string, r Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s, %s\n\t%s\n", name, r.Type, r.Severity, Signature("wire", "decode", r, "0000"), r.Title)
	for _, line := range strings.Split(r.Detail, "\n") {
		fmt.Fprintf(&b, "\t| %s\n", line)
	}
	for i, stack := range [][]Frame{r.Frames, r.Other} {
		for _, f := range project(stack) {
			fmt.Fprintf(&b, "\t%s%s %s:%d %s\n", []string{"", "other "}[i], f.Func, f.File, f.Line, f.Module)
		}
	}
	return b.String()
}

func TestRealLogsAreReadAsInTheGoldenFile(t *testing.T) {
	var b strings.Builder
	for _, name := range allLogs(t) {
		b.WriteString(describe(name, parseLog(t, name)))
	}
	if *update {
		if err := os.WriteFile("testdata/reports.golden", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/reports.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		gs, ws := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range min(len(gs), len(ws)) {
			if gs[i] != ws[i] {
				t.Fatalf("line %d of testdata/reports.golden; -update writes it anew, then look at the difference:\n got %s\nwant %s", i+1, gs[i], ws[i])
			}
		}
		t.Fatal("the golden file has another length")
	}
}
