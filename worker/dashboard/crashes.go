package dashboard

import (
	"net/http"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/finding"
)

// Crashes is a page of the bugs that fuzzers found.
type Crashes struct {
	Bugs       []crash.Bug              `json:"bugs"` // without logs
	Paging     Paging                   `json:"paging"`
	BySeverity map[finding.Severity]int `json:"by_severity"` // of all that the filter takes
}

func (d *Dashboard) crashesPage(r *http.Request) (any, error) {
	all, err := d.crashes.get(r.Context())
	if err != nil {
		return nil, err
	}
	find := strings.ToLower(strings.TrimSpace(r.URL.Query().Get("q")))
	p := Crashes{BySeverity: map[finding.Severity]int{}}
	var taken []crash.Bug
	for _, b := range all {
		if find == "" || bugMentions(b, find) {
			taken = append(taken, b)
			p.BySeverity[b.Report.Severity]++
		}
	}
	rows, paging, err := paged(r, taken, pageSize)
	if err != nil {
		return nil, err
	}
	p.Bugs, p.Paging = make([]crash.Bug, 0, len(rows)), paging
	for _, b := range rows {
		b.Inputs = slices.Clone(b.Inputs) // others have the memo's
		for i := range b.Inputs {
			b.Inputs[i].Log = ""
		}
		p.Bugs = append(p.Bugs, b)
	}
	return p, nil
}

// bugMentions reports whether a bug is one that somebody means who looks for text.
func bugMentions(b crash.Bug, text string) bool {
	for _, s := range append([]string{b.Signature, b.Lineage, b.Harness, b.Report.Type, b.Report.Title}, b.Targets...) {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return slices.ContainsFunc(b.Inputs, func(in crash.Input) bool {
		return strings.HasPrefix(in.SHA256, text) || strings.ToLower(in.Workflow) == text
	})
}

// CrashPage is one bug, with the input that is the best to work with.
type CrashPage struct {
	Bug  crash.Bug   `json:"bug"`
	Best crash.Input `json:"best"`
}

func (d *Dashboard) crashPage(r *http.Request) (any, error) {
	bug, best, err := d.crash.Get(r.Context(), r.PathValue("signature"), r.URL.Query().Get("lineage"))
	if err != nil {
		return nil, err
	}
	return CrashPage{bug, best}, nil
}

// where returns the frame that people look at first: the innermost of the project itself.
func where(r crash.Report) crash.Frame {
	for _, f := range r.Frames {
		if !f.Runtime && f.File != "" {
			return f
		}
	}
	if len(r.Frames) > 0 {
		return r.Frames[0]
	}
	return crash.Frame{}
}
