package analyze

import "github.com/cordonlabs/cordon/finding"

// Result is what one analyser found in a workspace, and what it did not look at. It
// round-trips through JSON and holds no secret.
type Result struct {
	// Findings are sealed (they have fingerprints), bounded and sorted.
	Findings []finding.Finding `json:"findings"`

	// Truncated is how many findings were left out for finding's bounds; Suppressed how
	// many markers inside the project took away (an allow comment, a tool's own ignore file).
	Truncated  int `json:"truncated"`
	Suppressed int `json:"suppressed"`

	FilesScanned int            `json:"files_scanned"`
	FilesSkipped map[string]int `json:"files_skipped,omitempty"` // by reason, see the Skip constants

	Tools []finding.Tool `json:"tools"`
	Notes []string       `json:"notes,omitempty"` // sentences for people: what was not done, and why
}

// Reasons in FilesSkipped.
const (
	SkipBinary     = "binary"
	SkipTooLarge   = "too large"
	SkipMinified   = "minified"
	SkipVendored   = "vendored or generated"
	SkipLink       = "symbolic link"
	SkipSpecial    = "not a regular file"
	SkipUnreadable = "unreadable"
	SkipTooDeep    = "too deep"
	SkipTooMany    = "past the limit of files"
	SkipAllowed    = "excluded by the tool's own list"
)

// Skip counts one file that was left out.
func (r *Result) Skip(reason string, n int) {
	if n == 0 {
		return
	}
	if r.FilesSkipped == nil {
		r.FilesSkipped = make(map[string]int)
	}
	r.FilesSkipped[reason] += n
}

// Close seals fs, bounds them and puts them into r.
func (r *Result) Close(fs []finding.Finding) {
	var left int
	r.Findings, left = finding.Bound(finding.Seal(fs))
	r.Truncated += left
}

// Progress is told how far an analyser is: done of total files. It is called from
// one goroutine at a time, with done growing; it must not block. A nil Progress is allowed
// everywhere and told nothing.
type Progress func(done, total int)

// Scrubber takes secrets out of text before it leaves an analyser.
type Scrubber interface {
	// Scrub returns text with every secret it knows of or recognises replaced by a mask.
	// The result has as many lines as text, so that a whole file can be
	// scrubbed and a snippet then cut out of it by line numbers: what makes a line a secret may
	// stand on another one. It is safe for concurrent use.
	Scrub(text string) string
}
