package finding

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
)

func TestTheIgnoreFileTakesAwayWhatItNames(t *testing.T) {
	fs := Seal([]Finding{
		{RuleID: "py-eval", FilePath: "src/a.py"}, {RuleID: "py-eval", FilePath: "tests/deep/b.py"}, {RuleID: "py-os-system", FilePath: "tests/c.py"},
		{RuleID: "js-eval", FilePath: "third party/x.js"}, {RuleID: "js-sql-string", FilePath: "web/y.js"}, {RuleID: "php-eval", FilePath: "old/z.php"},
	})
	print := ""
	for _, f := range fs {
		if f.FilePath == "web/y.js" {
			print = f.Fingerprint
		}
	}
	ig, err := ParseIgnore(strings.NewReader(`# what we know of

py-eval  tests/**   # fixtures
js-*     "third party/**"
` + print + `   # checked by hand
*  old/  until 2026-06-30
py-os-system  tests/** until 2026-06-29
`))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 6, 30, 23, 59, 0, 0, time.UTC)
	kept, gone := ig.Apply(fs, now)
	if got := paths(kept); got != "src/a.py tests/c.py" {
		t.Errorf("kept %s", got)
	}
	if ig.Expired(now) != 1 {
		t.Errorf("%d expired", ig.Expired(now))
	}
	for _, f := range gone {
		if f.FilePath == "tests/deep/b.py" && (f.Suppression.Line != 3 || f.Suppression.Justification != "fixtures") {
			t.Errorf("%+v", f.Suppression)
		}
	}
	if kept, _ := ig.Apply(fs, now.Add(time.Minute)); len(kept) != 3 {
		t.Errorf("a day later %s stay", paths(kept))
	}
	if kept, gone := (&Ignore{}).Apply(fs, now); len(kept) != len(fs) || gone != nil {
		t.Error("an empty Ignore ignores something")
	}
}

func paths(fs []Finding) string {
	var out []string
	for _, f := range fs {
		out = append(out, f.FilePath)
	}
	return strings.Join(out, " ")
}

func TestWrongEntriesAreReportedByLineAndTheOthersCount(t *testing.T) {
	ig, err := ParseIgnore(strings.NewReader("py-eval\n*\na b c d\nx y until soon\nuntil 2026-01-01\n\"open\n0123456789abcdef0123456789abcdef x/**\n"))
	if cordon.KindOf(err) != cordon.InvalidArgument || cordon.FixOf(err) == "" {
		t.Fatal(err)
	}
	for _, want := range []string{"line 2: ", "line 3: ", "line 4: ", "line 5: ", "line 6: ", "line 7: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "line 1:") {
		t.Error(err)
	}
	if kept, _ := ig.Apply([]Finding{{RuleID: "py-eval"}}, time.Now()); len(kept) != 0 {
		t.Error("the entry that can be read does not count")
	}
	for name, body := range map[string]string{"a huge file": strings.Repeat("# x\n", maxIgnoreBytes/4+1), "a huge line": "a " + strings.Repeat("b", 100_000), "too many patterns": strings.Repeat("a b\n", maxIgnorePatterns+1)} {
		if _, err := ParseIgnore(strings.NewReader(body)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"*.py", "a.py", true}, {"*.py", "x/a.py", false}, {"**/*.py", "a.py", true}, {"**/*.py", "x/y/a.py", true}, {"x/**", "x/y/z", true}, {"x/**", "xy", false},
		{"x/", "x/y", true}, {"/x/a", "x/a", true}, {"a?c", "abc", true}, {"a?c", "a/c", false}, {"a.c", "abc", false}, {"a**b", "a/x/b", true}, {"[x", "[x", true}, {"a\nb", "a\nb", true},
	} {
		g, err := ParseGlob(c.glob)
		if err != nil {
			t.Errorf("%q: %v", c.glob, err)
			continue
		}
		if g.Match(c.path) != c.want {
			t.Errorf("%q matches %q: %v", c.glob, c.path, !c.want)
		}
	}
	if _, err := ParseGlob("/"); err == nil {
		t.Error("an empty pattern is taken")
	}
}

func FuzzParseIgnore(f *testing.F) {
	f.Add([]byte("py-eval tests/** until 2026-01-01 # why\n\"a b\"\n"))
	f.Add([]byte("\"\\\n# \xff\n** **"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ig, err := ParseIgnore(bytes.NewReader(b))
		if ig == nil {
			t.Fatal("no Ignore, error", err)
		}
		kept, gone := ig.Apply([]Finding{{RuleID: "r", FilePath: "a/b"}}, time.Unix(0, 0))
		if len(kept)+len(gone) != 1 {
			t.Error("a finding was lost")
		}
	})
}

func TestABaselineKnowsWhatWasThereBefore(t *testing.T) {
	old := Seal([]Finding{{RuleID: "r", FilePath: "a", Severity: Low}, {RuleID: "r", FilePath: "b", Severity: Low}})
	now := Seal([]Finding{{RuleID: "r", FilePath: "b", LineStart: 99, Severity: Low}, {RuleID: "r", FilePath: "c", Severity: Low}})
	results, err := json.Marshal(map[string]any{"workflow_id": "w", "findings": old, "summary": map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{"a results file": results, "findings alone": list, "a SARIF file": write(t, SARIFRun{Findings: old[:1], Suppressed: old[1:]})} {
		b, err := ReadBaseline(bytes.NewReader(body), "old.json")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		fresh, known := b.Filter(now)
		if b.Len() != 2 || known != 1 || paths(fresh) != "c" {
			t.Errorf("%s: %d known to it, %d known, new: %s", name, b.Len(), known, paths(fresh))
		}
	}
	for name, body := range map[string]string{
		"no JSON": "hello", "another object": `{"a":1}`, "nothing": "", "a number": "3", "others' SARIF": `{"runs":[{"results":[{"partialFingerprints":{"x":"y"}}]}]}`, "others' findings": `{"findings":[{"id":"1"}]}`,
	} {
		if _, err := ReadBaseline(strings.NewReader(body), "x"); cordon.KindOf(err) != cordon.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := ReadBaseline(strings.NewReader(`{"findings":[]}`), "x"); err != nil || b.Len() != 0 {
		t.Errorf("an empty result: %v", err)
	}
}

func FuzzReadBaseline(f *testing.F) {
	f.Add([]byte(`{"findings":[{"fingerprint":"0123456789abcdef0123456789abcdef"}]}`))
	f.Add([]byte(`{"runs":[{"results":[{"partialFingerprints":{"cordonFingerprint/v1":"0"}}]}]}`))
	f.Add([]byte(`[{}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if base, err := ReadBaseline(bytes.NewReader(b), "x"); (base == nil) == (err == nil) {
			t.Errorf("%v and %v", base, err)
		}
	})
}
