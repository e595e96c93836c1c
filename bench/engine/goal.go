package main

// What is to be reached, in seconds and in the median.
const (
	maxHit     = 100e-6 // a shared hit by a run that holds it already
	maxHold    = 1e-3   // a new hold, and its end
	maxCleanup = 10e-3  // until Cleanup returns, at any size
	maxSweep   = 500e-3 // over judgedEntries entries

	judgedEntries = 10_000 // of fewer, a sweep says nothing
)

// verdict says whether something was reached.
type verdict struct {
	Goal    string  `json:"goal"`
	Row     string  `json:"row"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	Reached bool    `json:"reached"`
	Why     string  `json:"why,omitempty"` // why there is no value

	show func(float64) string
}

// verdicts judges the row's columns that have a goal, in the order of s.
func (r *row) verdicts(s *section) (all []verdict) {
	for _, c := range s.Columns {
		most, judged := r.goals[c.Name]
		if !judged {
			continue
		}
		value, taken := r.median(c.Name)
		v := verdict{Goal: c.Name, Row: r.Name, Value: value, Limit: most, Reached: taken && value <= most, Why: r.Failed, show: c.show}
		if taken || v.Why != "" {
			all = append(all, v)
		}
	}
	return all
}
