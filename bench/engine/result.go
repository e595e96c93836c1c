package main

import (
	"fmt"
	"io"
	"time"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// report is everything that was found out. Times are in seconds, sizes in bytes.
type report struct {
	Profile  lab.Profile `json:"profile"`
	Rounds   int         `json:"rounds"`
	Entries  int         `json:"entries"`
	Fill     float64     `json:"fill"`   // how long making the entries took
	Settle   float64     `json:"settle"` // the first sweep after that
	Sections []*section  `json:"sections"`
	Goals    []verdict   `json:"goals"`
	Broken   int         `json:"broken"` // rows that failed, which is not the same as being slow

	progress io.Writer
}

func newReport(opts *options, p *place, progress io.Writer) *report {
	r := &report{Rounds: opts.rounds, Entries: opts.entries, Profile: lab.ReadProfile(p.on, []string{lab.PythonPath(), "--version"}, []string{"du", "--version"}), progress: progress}
	if !p.root {
		r.Profile.Privileges = "not privileged (no mounts)"
	}
	return r
}

// say tells whoever waits what is being done.
func (r *report) say(format string, args ...any) {
	fmt.Fprintf(r.progress, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// finish works out what follows from the figures.
func (r *report) finish() {
	r.Profile.Finish()
	for _, s := range r.Sections {
		for _, row := range s.Rows {
			r.Goals = append(r.Goals, row.verdicts(s)...)
		}
	}
}

// section is a table: rows that have the same figures.
type section struct {
	Title   string   `json:"title"`
	Columns []column `json:"columns"`
	Rows    []*row   `json:"rows"`
}

// column is one figure of each row.
type column struct {
	Name string `json:"name"`
	show func(float64) string

	// compared says that another column has Cordon's figure to that of each of the
	// others that do the same.
	compared bool
}

// row is what was found out about one way of doing something.
type row struct {
	Name    string                 `json:"name"`
	Ours    string                 `json:"ours,omitempty"`   // the row of Cordon's that does the same; empty: it is Cordon's
	Failed  string                 `json:"failed,omitempty"` // what went wrong in it
	Figures map[string]*lab.Spread `json:"figures"`          // by column

	goals map[string]float64 // the most that a column's median is to be
}

// section adds a table.
func (r *report) section(title string, columns ...column) *section {
	s := &section{Title: title, Columns: columns}
	r.Sections = append(r.Sections, s)
	return s
}

// row returns the row called name, which is added where it is missing. ours is
// the row that it is compared with.
func (s *section) row(name, ours string) *row {
	if r := s.find(name); r != nil {
		return r
	}
	r := &row{Name: name, Ours: ours, Figures: map[string]*lab.Spread{}, goals: map[string]float64{}}
	s.Rows = append(s.Rows, r)
	return r
}

func (s *section) find(name string) *row {
	for _, r := range s.Rows {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// goal says what the median of a column is to be at most.
func (r *row) goal(column string, most float64) *row {
	r.goals[column] = most
	return r
}

// add adds a sample to a column.
func (r *row) add(column string, v float64) {
	if r.Figures[column] == nil {
		r.Figures[column] = &lab.Spread{}
	}
	r.Figures[column].Add(v)
}

// median returns a column's median, and whether there is one.
func (r *row) median(column string) (float64, bool) {
	if r == nil || r.Figures[column] == nil {
		return 0, false
	}
	return r.Figures[column].Median, true
}
