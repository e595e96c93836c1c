package finding

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
)

func TestSeveritiesAreReadAndOrdered(t *testing.T) {
	for in, want := range map[string]Severity{"high": High, "HIGH": High, " Low ": Low, "critical": Critical, "info": Info, "medium": Medium} {
		if got, err := ParseSeverity(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "severe", "5"} {
		if _, err := ParseSeverity(in); cordon.KindOf(err) != cordon.InvalidArgument || cordon.FixOf(err) == "" {
			t.Errorf("%q: %v", in, err)
		}
	}
	for i, a := range Severities {
		for j, b := range Severities {
			if a.AtLeast(b) != (i <= j) {
				t.Errorf("%s at least %s is %v", a, b, a.AtLeast(b))
			}
		}
	}
	if Severity("none").AtLeast(Info) {
		t.Error("what is no severity is at least info")
	}
}

func TestAFindingHasTheNamesOfTheContract(t *testing.T) {
	f := Seal([]Finding{{RuleID: "r", FilePath: "a", Severity: Low, Key: "secret key"}})[0]
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	var names []string
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	if got, want := strings.Join(names, " "), "category description file_path fingerprint id metadata rule_id severity title"; got != want {
		t.Errorf("fields %s, want %s", got, want)
	}
	if m["id"] != m["fingerprint"] || !IsFingerprint(m["id"].(string)) {
		t.Errorf("id %v, fingerprint %v", m["id"], m["fingerprint"])
	}
}

func TestFingerprintsAreStable(t *testing.T) {
	base := []Finding{{RuleID: "r", FilePath: "a.py", LineStart: 5, Key: "f ( x )"}, {RuleID: "r", FilePath: "a.py", LineStart: 9, Key: "f ( x )"}, {RuleID: "r", FilePath: "a.py", LineStart: 7, Key: "g ( x )"}}
	prints := func(fs []Finding) []string {
		var out []string
		for _, f := range Seal(slices.Clone(fs)) {
			out = append(out, f.Fingerprint)
		}
		slices.Sort(out)
		return out
	}
	want := prints(base)
	if len(slices.Compact(slices.Clone(want))) != 3 {
		t.Fatal("repeats have one fingerprint:", want)
	}
	// Golden: a change here breaks every baseline and ignore file in the world.
	if one := Seal([]Finding{{RuleID: "py-eval", FilePath: "src/a.py", Key: "eval ( x )"}})[0].Fingerprint; one != "79285e144d5ab6d7f5363c5f629f5f5b" {
		t.Errorf("the recipe changed: %s", one)
	}
	moved := slices.Clone(base)
	for i := range moved {
		moved[i].LineStart += 100
		moved[i].Key = "  " + strings.ReplaceAll(moved[i].Key, " ", "\n\t")
	}
	slices.Reverse(moved)
	if got := prints(moved); !slices.Equal(got, want) {
		t.Error("moving and reindenting changed a fingerprint")
	}
	other := slices.Clone(base)
	other[0].FilePath = "b.py"
	if slices.Equal(prints(other), want) {
		t.Error("another file has the same fingerprints")
	}
	// Boundaries of the fields cannot be shifted.
	if a, b := prints([]Finding{{RuleID: "ab", FilePath: "c"}}), prints([]Finding{{RuleID: "a", FilePath: "bc"}}); slices.Equal(a, b) {
		t.Error("fields run into one another")
	}
}

func TestSortingIsTotalAndPutsTheWorstFirst(t *testing.T) {
	fs := Seal([]Finding{{RuleID: "b", Severity: Low, FilePath: "a"}, {RuleID: "a", Severity: Critical, FilePath: "z", LineStart: 2}, {RuleID: "a", Severity: Critical, FilePath: "z", LineStart: 1}, {RuleID: "a", Severity: Low, FilePath: "a"}})
	var got []string
	for _, f := range fs {
		got = append(got, fmt.Sprint(f.Severity, f.FilePath, f.LineStart, f.RuleID))
	}
	if want := "criticalz1a criticalz2a lowa0a lowa0b"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if Worst(fs) != Critical || Worst(nil) != "" {
		t.Error("worst", Worst(fs), Worst(nil))
	}
}

func TestRedactShowsTooLittleToUse(t *testing.T) {
	for in, want := range map[string]string{
		"": "****", "short": "****", strings.Repeat("x", 23): "****",
		"abcdefghijklmnopqrstuvwx": "abcd****", strings.Repeat("ü", 30): "üüüü****",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestBoundKeepsTheWorstAndCountsTheRest(t *testing.T) {
	var fs []Finding
	for i := range 100 {
		fs = append(fs, Finding{RuleID: "r", FilePath: "one", Severity: Low, LineStart: i + 1, Key: fmt.Sprint(i)})
	}
	for i := range 600 {
		fs = append(fs, Finding{RuleID: "s", FilePath: fmt.Sprint("f", i), Severity: High})
	}
	kept, left := Bound(Seal(fs))
	if len(kept)+left != 700 || left != 100-MaxPerRuleAndFile+600-MaxPerRule {
		t.Errorf("%d kept, %d left out", len(kept), left)
	}
	if kept[0].Severity != High {
		t.Error("the worst are not first")
	}
}

func TestASummaryCountsBySeverityAndCategory(t *testing.T) {
	s := NewSummary([]Finding{{Severity: High, Category: "x"}, {Severity: High, Category: "y"}, {Severity: Info, Category: "x"}}, 1500*time.Millisecond)
	if s.Total != 3 || s.BySeverity[High] != 2 || s.BySeverity[Info] != 1 || len(s.BySeverity) != 5 || s.ByCategory["x"] != 2 || s.DurationMS != 1500 {
		t.Errorf("%+v", s)
	}
}
