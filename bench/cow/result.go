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
	Sections []*section  `json:"sections"`
	Targets  []verdict   `json:"targets"`
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
		r.Targets = append(r.Targets, s.verdicts()...)
	}
}

// section is what was found out about one input on one file system.
type section struct {
	Input   string    `json:"input"`
	FS      string    `json:"fs"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
	Object  int64     `json:"object_bytes"`
	Written []bigFile `json:"written,omitempty"` // what first_write is of, in its order
	Rows    []*row    `json:"rows"`
}

// row returns what was found out about the contestant called name; without
// figures if that did not take part.
func (s *section) row(name string) *row {
	for _, r := range s.Rows {
		if r.Name == name {
			return r
		}
	}
	return &row{Name: name}
}

// row is what was found out about one contestant.
type row struct {
	Name        string       `json:"name"`
	Peer        string       `json:"peer,omitempty"`
	Unavailable string       `json:"unavailable,omitempty"` // why it did not take part
	Failed      string       `json:"failed,omitempty"`      // what went wrong in it
	Ready       lab.Spread   `json:"ready"`
	Disk        lab.Spread   `json:"disk"`                  // taken before the first write
	FirstWrite  []lab.Spread `json:"first_write,omitempty"` // of one byte
	Remove      lab.Spread   `json:"remove"`                // until it returns
	Freed       lab.Spread   `json:"freed"`                 // until the disk is free, from the same start
	Crowds      []*crowd     `json:"crowds,omitempty"`
	Grep        reading      `json:"grep"`
	Tar         reading      `json:"tar"`
}

// crowd is many workspaces made at once.
type crowd struct {
	Asked  int        `json:"asked"`
	Size   int        `json:"size"` // fewer than asked where they are slow and large
	Total  lab.Spread `json:"total"`
	Each   lab.Spread `json:"each"`   // from the common start until it was ready, each
	Memory lab.Spread `json:"memory"` // of the kernel, for each
}

// crowd returns the row's crowd of that size, a new one if there is none yet.
func (r *row) crowd(asked, size int) *crowd {
	for _, c := range r.Crowds {
		if c.Asked == asked {
			return c
		}
	}
	r.Crowds = append(r.Crowds, &crowd{Asked: asked, Size: size})
	return r.Crowds[len(r.Crowds)-1]
}

func (c *crowd) add(total time.Duration, each []time.Duration, memory int64) {
	c.Total.AddTime(total)
	for _, d := range each {
		c.Each.AddTime(d)
	}
	c.Memory.Add(float64(memory))
}

// reading is the time that reading through a workspace took.
type reading struct {
	lab.Spread
	Ratio float64 `json:"ratio,omitempty"` // to the plain tree's median
}
