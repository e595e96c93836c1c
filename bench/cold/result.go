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
	Notes    []string    `json:"notes,omitempty"` // what was left out, and why
	Sections []*section  `json:"sections"`
	Goals    []verdict   `json:"goals"`
	Broken   int         `json:"broken"` // contestants that failed, which is not the same as being slow

	progress io.Writer
}

// say tells whoever waits what is being done.
func (r *report) say(format string, args ...any) {
	fmt.Fprintf(r.progress, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// finish works out what follows from the figures.
func (r *report) finish() {
	r.Profile.Finish()
	for _, s := range r.Sections {
		r.Goals = append(r.Goals, s.verdicts()...)
	}
}

// section is what was found out about one object on one place.
type section struct {
	Input  string `json:"input"`
	Tree   string `json:"tree"`
	Format string `json:"format"`
	Place  string `json:"place"`
	Files  int64  `json:"files"`
	Bytes  int64  `json:"bytes"`
	Inodes int64  `json:"inodes"`
	Object int64  `json:"object_bytes"`
	Window int64  `json:"window"` // bytes that a decoder must look back
	Rows   []*row `json:"rows"`
}

// row returns what was found out about the contestant called name that fetches
// from store; without figures if that did not take part.
func (s *section) row(store, name string) *row {
	for _, r := range s.Rows {
		if r.Store == store && r.Name == name {
			return r
		}
	}
	return &row{Name: name, Store: store}
}

// row is what was found out about one contestant.
type row struct {
	Name        string     `json:"name"`
	Store       string     `json:"store,omitempty"`       // empty: a limit, whatever the store
	Unavailable string     `json:"unavailable,omitempty"` // why it did not take part
	Failed      string     `json:"failed,omitempty"`      // what went wrong in it
	Done        lab.Spread `json:"done"`
	Durable     lab.Spread `json:"durable,omitzero"` // from the same start until it is on the disk
	CPU         lab.Spread `json:"cpu"`              // until done
	Peak        lab.Spread `json:"peak"`             // memory
	Idle        lab.Spread `json:"idle,omitzero"`    // memory of Cordon's process before it was asked
}

func (r *row) add(a answer) {
	r.Done.Add(a.Done)
	if a.Durable > 0 {
		r.Durable.Add(a.Durable)
	}
	r.CPU.Add(a.CPU)
	r.Peak.Add(float64(a.Peak))
	if a.Idle > 0 {
		r.Idle.Add(float64(a.Idle))
	}
}

// whole is the time that counts: until it is durable, where there is a disk.
func (r *row) whole() lab.Spread {
	if r.Durable.Taken() {
		return r.Durable
	}
	return r.Done
}

// above returns what each sample took of memory beyond the idle process.
func (r *row) above() (s lab.Spread) {
	for i := range min(len(r.Peak.Samples), len(r.Idle.Samples)) {
		s.Add(r.Peak.Samples[i] - r.Idle.Samples[i])
	}
	return s
}
