package flow

import "time"

// ProgressQuery is the query that every built-in workflow answers with a
// Progress, while it runs and afterwards.
const ProgressQuery = "progress"

// Progress is how far a run is.
type Progress struct {
	Step    string    `json:"step"`    // the activity under way; "" before the first and after the last
	Index   int       `json:"index"`   // of the step, from 1; 0 before the first
	Of      int       `json:"of"`      // how many steps there are
	Started time.Time `json:"started"` // when the step began

	// Done, Total and Unit are the step's own, from its heartbeats, and Detail
	// is what it is doing. The query leaves the former empty, for a workflow does not
	// see heartbeats, and its Detail is as old as the step's last signal;
	// workflows.Watch fills them in.
	Done   int64  `json:"done,omitempty"`
	Total  int64  `json:"total,omitempty"` // 0 where unknown
	Unit   string `json:"unit,omitempty"`  // "bytes", "files" or "modules"
	Detail string `json:"detail,omitempty"`
}
