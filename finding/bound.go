package finding

// Bounds on a result. They keep absurd projects (a generated file with one finding
// on each of a million lines) from making results that nobody reads and that no
// engine's history takes; an ordinary project never meets one.
const (
	MaxPerRuleAndFile = 25   // findings of one rule in one file
	MaxPerRule        = 500  // findings of one rule
	MaxFindings       = 5000 // findings of one analyser
)

// Bound keeps the first findings, in the order of fs, that are within the bounds,
// and says how many it left out. Call it on sealed findings: what is left out is
// then the least severe, and fingerprints do not depend on it.
func Bound(fs []Finding) (kept []Finding, leftOut int) {
	type place struct{ rule, path string }
	perFile, perRule := make(map[place]int), make(map[string]int)
	kept = make([]Finding, 0, min(len(fs), MaxFindings))
	for _, f := range fs {
		p := place{f.RuleID, f.FilePath}
		if perFile[p] >= MaxPerRuleAndFile || perRule[f.RuleID] >= MaxPerRule || len(kept) >= MaxFindings {
			leftOut++
			continue
		}
		perFile[p]++
		perRule[f.RuleID]++
		kept = append(kept, f)
	}
	return kept, leftOut
}
