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
	got, err := fit(full, maxReturned, logOf)
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

// logOf is a log of which each finding takes some 50 bytes.
func logOf(some []finding.Finding) (json.RawMessage, error) {
	ids := []string{}
	for _, f := range some {
		ids = append(ids, "<"+f.ID+strings.Repeat("-", 40))
	}
	return json.Marshal(map[string]any{"runs": ids})
}

// CONTRACT §3: what crosses the history stays small, and says what is missing.
func TestAResultIsCutToFitAndSaysSo(t *testing.T) {
	full := Result{WorkflowID: "w"}
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
	without := size(full)
	full.SARIF, _ = logOf(full.Findings)
	for _, tc := range []struct {
		name           string
		limit          int
		findings, logs func(n int) bool
	}{
		{"all of it fits", size(full), func(n int) bool { return n == 100 }, func(n int) bool { return n == 100 }},
		{"findings make room for the log", size(full) - 1, func(n int) bool { return n > 70 && n < 80 }, func(n int) bool { return n == 100 }},
		{"half the room holds about half of them", without / 2, func(n int) bool { return n > 33 && n < 40 }, func(n int) bool { return n == 100 }},
		{"little room holds the worst of both", 6000, func(n int) bool { return n > 0 && n < 10 }, func(n int) bool { return n > 10 && n < 100 }},
		{"there may be room for no finding", 1500, func(n int) bool { return n == 0 }, func(n int) bool { return n > 0 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := fit(full, tc.limit, logOf)
			if err != nil {
				t.Fatal(err)
			}
			if n := size(got); n > tc.limit {
				t.Errorf("%d bytes, the limit is %d", n, tc.limit)
			}
			var log struct {
				Runs []string `json:"runs"`
			}
			if err := json.Unmarshal(got.SARIF, &log); err != nil {
				t.Fatal(err)
			}
			if !tc.findings(len(got.Findings)) || !tc.logs(len(log.Runs)) {
				t.Errorf("%d findings, %d in the log", len(got.Findings), len(log.Runs))
			}
			if len(got.Findings)+got.Summary.FindingsTruncated != 100 || len(log.Runs)+got.Summary.SARIFTruncated != 100 {
				t.Errorf("%d findings and %d truncated do not make 100, nor %d and %d in the log",
					len(got.Findings), got.Summary.FindingsTruncated, len(log.Runs), got.Summary.SARIFTruncated)
			}
			for i, f := range got.Findings {
				if f.ID != fmt.Sprint(i) || !strings.HasPrefix(log.Runs[i], "<"+f.ID+"-") {
					t.Fatalf("finding %d is %s: the worst, which come first, must stay", i, f.ID)
				}
			}
		})
	}
}
