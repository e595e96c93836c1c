package finding

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/golden.sarif anew")

func sample() SARIFRun {
	fs := Seal([]Finding{
		{RuleID: "py-sql-string", Title: "SQL built from strings", Description: "A value is put into SQL.", Severity: High, Category: "sql-injection", FilePath: "src/a b/ü.py", LineStart: 3, LineEnd: 4, CodeSnippet: "cur.execute(\n  q)", Recommendation: "Use parameters.", Metadata: map[string]any{"cwe": "CWE-89", "tool": "cordon-code"}, Key: "a"},
		{RuleID: "sensitive-dotenv", Title: "Environment file", Description: "It holds a password.", Severity: Critical, Category: "sensitive-file", FilePath: "C:x?#%.env", Key: "b"},
		{RuleID: "weird \x00 rule", Severity: Info, FilePath: "bad\xff\n.txt", LineStart: 7},
	})
	old := Seal([]Finding{{RuleID: "py-eval", Title: "eval", Description: "eval.", Severity: Medium, Category: "code-injection", FilePath: "t.py", LineStart: 1, LineEnd: 1}})
	old[0].Suppression = &Suppression{Line: 2, Justification: "a test"}
	sum := NewSummary(fs, time.Second)
	sum.Tools = []Tool{{Name: "gitleaks", Version: "v8.30.1", Available: true}, {Name: "gosec", Note: "not installed"}}
	sum.Notes = []string{"12 files were left out."}
	return SARIFRun{Version: "1.2.3", Findings: fs, Suppressed: old, Summary: sum, Start: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), End: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)}
}

func write(t testing.TB, run SARIFRun) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteSARIF(&b, run); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSARIFIsAsInTheGoldenFile(t *testing.T) {
	got := write(t, sample())
	if *update {
		if err := os.WriteFile("testdata/golden.sarif", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/golden.sarif")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from testdata/golden.sarif; -update writes it anew, then look at the difference:\n%s", got)
	}
}

func TestSARIFValidatesAgainstThePublishedSchema(t *testing.T) {
	s := readSchema(t)
	for name, run := range map[string]SARIFRun{"a full run": sample(), "an empty run": {}, "a finding with nothing in it": {Findings: []Finding{{}}}} {
		if p := s.validate(write(t, run)); p != nil {
			t.Errorf("%s: %v", name, p)
		}
	}
}

func TestEveryResultRefersToItsRule(t *testing.T) {
	var log sarifLog
	if err := json.Unmarshal(write(t, sample()), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	for _, r := range run.Results {
		if got := run.Tool.Driver.Rules[r.RuleIndex].ID; got != r.RuleID {
			t.Errorf("%s points at %s", r.RuleID, got)
		}
	}
	if n := len(run.Results); n != 4 {
		t.Errorf("%d results", n)
	}
}

func TestPathsBecomeRelativeReferences(t *testing.T) {
	for path, want := range map[string]string{
		"a/b.py": "a/b.py", "a b/ü.py": "a%20b/%C3%BC.py", "C:x": "./C:x", "a/C:x": "a/C:x", "q?#%.x": "q%3F%23%25.x",
		"../../etc/passwd": "etc/passwd", "/abs": "abs", "bad\xff": "bad%FF", "//host/x": "host/x", "a[1].py": "a%5B1%5D.py",
	} {
		if got := relativeURI(path); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
	}
}

func FuzzSARIF(f *testing.F) {
	f.Add("rule", "path/x.py", "title", 3, 4)
	f.Add("\xff", "http://x", "\x00", -1, 0)
	s := readSchema(f)
	f.Fuzz(func(t *testing.T, rule, path, title string, first, last int) {
		run := SARIFRun{Findings: Seal([]Finding{{RuleID: rule, FilePath: path, Title: title, CodeSnippet: title, Severity: High, LineStart: first, LineEnd: last}})}
		if p := s.validate(write(t, run)); p != nil {
			t.Errorf("%v", p)
		}
	})
}
