package activities

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/finding"
)

// A project of many repositories and modules has many notes, with long paths in them.
func TestNotesDoNotKeepAResultFromFitting(t *testing.T) {
	full := Result{Findings: []finding.Finding{{ID: "the worst"}}}
	for range 100 {
		full.Summary.Notes = append(full.Summary.Notes, strings.Repeat("\x01", 2000))
	}
	got, err := fit(full, maxReturned)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := jsonSize(got); err != nil || n > maxReturned {
		t.Errorf("%d bytes (%v), the limit is %d", n, err, maxReturned)
	}
	notes := got.Summary.Notes
	if len(got.Findings) != 1 || len(notes) != 3 || notes[2] != "98 more notes are in the stored result." {
		t.Errorf("%d findings, %d notes, the last is %.60q", len(got.Findings), len(notes), notes[len(notes)-1])
	}
	if len(full.Summary.Notes) != 100 {
		t.Error("the original was changed")
	}
}

// CONTRACT §3: what crosses the history stays small, and says what is missing.
func TestAResultIsCutToFitAndSaysSo(t *testing.T) {
	full := Result{WorkflowID: "w", SARIF: json.RawMessage(`{"runs":["` + strings.Repeat("<", 2000) + `"]}`)}
	for i := range 100 {
		full.Findings = append(full.Findings, finding.Finding{ID: fmt.Sprint(i), CodeSnippet: strings.Repeat("<&>\n", 50)})
	}
	size := func(r Result) int {
		n, err := jsonSize(r)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	without := full
	without.SARIF = nil
	for _, tc := range []struct {
		name     string
		limit    int
		sarif    bool
		findings func(n int) bool
	}{
		{"all of it fits", size(full), true, func(n int) bool { return n == 100 }},
		{"the SARIF log goes first", size(full) - 1, false, func(n int) bool { return n == 100 }},
		{"then findings go", size(without) - 1, false, func(n int) bool { return n == 99 }},
		{"half the room holds about half of them", size(without) / 2, false, func(n int) bool { return n > 45 && n < 51 }},
		{"there may be room for none", 1000, false, func(n int) bool { return n == 0 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := fit(full, tc.limit)
			if err != nil {
				t.Fatal(err)
			}
			if n := size(got); n > tc.limit {
				t.Errorf("%d bytes, the limit is %d", n, tc.limit)
			}
			if (got.SARIF != nil) != tc.sarif || !tc.findings(len(got.Findings)) {
				t.Errorf("SARIF %t, %d findings", got.SARIF != nil, len(got.Findings))
			}
			if len(got.Findings)+got.Summary.FindingsTruncated != 100 {
				t.Errorf("%d findings and %d truncated do not make 100", len(got.Findings), got.Summary.FindingsTruncated)
			}
			for i, f := range got.Findings {
				if f.ID != fmt.Sprint(i) {
					t.Fatalf("finding %d is %s: the worst, which come first, must stay", i, f.ID)
				}
			}
		})
	}
}
