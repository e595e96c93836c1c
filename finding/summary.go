package finding

import "time"

// Tool is one analyser that took part in a run, or could not.
type Tool struct {
	Name      string `json:"name"`
	Version   string `json:"version,omitempty"`
	Available bool   `json:"available"`
	Note      string `json:"note,omitempty"` // why it is not, or what it could not do, and what to do about it
}

// Summary counts what a run found and says what it looked at, what it left out,
// and with which tools: the "summary" of a result (CONTRACT §3).
type Summary struct {
	Total      int              `json:"total"`
	BySeverity map[Severity]int `json:"by_severity"` // all five are present
	ByCategory map[string]int   `json:"by_category"`

	FilesScanned int            `json:"files_scanned"`
	FilesSkipped map[string]int `json:"files_skipped,omitempty"` // by reason: "binary", "too large"
	DurationMS   int64          `json:"duration_ms"`

	// Truncated is how many findings were left out for the bounds of a result,
	// Suppressed how many the project's own markers took away, Known how many
	// the baseline had.
	Truncated  int `json:"truncated"`
	Suppressed int `json:"suppressed"`
	Known      int `json:"known"`

	Tools []Tool   `json:"tools"`
	Notes []string `json:"notes,omitempty"` // sentences for people: what was not done, and why
}

// NewSummary counts fs. The caller adds to the fields what it knows.
func NewSummary(fs []Finding, took time.Duration) Summary {
	s := Summary{
		Total:      len(fs),
		BySeverity: make(map[Severity]int, len(Severities)),
		ByCategory: make(map[string]int),
		DurationMS: took.Milliseconds(),
		Tools:      []Tool{},
	}
	for _, v := range Severities {
		s.BySeverity[v] = 0
	}
	for _, f := range fs {
		s.BySeverity[f.Severity]++
		s.ByCategory[f.Category]++
	}
	return s
}
