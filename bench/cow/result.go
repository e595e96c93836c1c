package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/cordonlabs/cordon"
)

// report is everything that was found out. Times are in seconds, sizes in bytes.
type report struct {
	Profile  profile    `json:"profile"`
	Sections []*section `json:"sections"`
	Targets  []verdict  `json:"targets"`
	Broken   int        `json:"broken"` // contestants that failed, which is not the same as being slow

	progress io.Writer
}

// say tells whoever waits what is being done.
func (r *report) say(format string, args ...any) {
	fmt.Fprintf(r.progress, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// finish works out what follows from the figures.
func (r *report) finish() {
	r.Profile.finish()
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
	Name        string   `json:"name"`
	Peer        string   `json:"peer,omitempty"`
	Unavailable string   `json:"unavailable,omitempty"` // why it did not take part
	Failed      string   `json:"failed,omitempty"`      // what went wrong in it
	Ready       spread   `json:"ready"`
	Disk        spread   `json:"disk"`                  // taken before the first write
	FirstWrite  []spread `json:"first_write,omitempty"` // of one byte
	Remove      spread   `json:"remove"`                // until it returns
	Freed       spread   `json:"freed"`                 // until the disk is free, from the same start
	Crowds      []*crowd `json:"crowds,omitempty"`
	Grep        reading  `json:"grep"`
	Tar         reading  `json:"tar"`
}

// crowd is many workspaces made at once.
type crowd struct {
	Asked  int    `json:"asked"`
	Size   int    `json:"size"` // fewer than asked where they are slow and large
	Total  spread `json:"total"`
	Each   spread `json:"each"`   // from the common start until it was ready, each
	Memory spread `json:"memory"` // of the kernel, for each
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
	c.Total.addTime(total)
	for _, d := range each {
		c.Each.addTime(d)
	}
	c.Memory.add(float64(memory))
}

// reading is the time that reading through a workspace took.
type reading struct {
	spread
	Ratio float64 `json:"ratio,omitempty"` // to the plain tree's median
}

// spread is a figure that was taken several times.
type spread struct {
	Median  float64   `json:"median"`
	Min     float64   `json:"min"`
	Max     float64   `json:"max"`
	Samples []float64 `json:"samples,omitempty"` // in the order in which they were taken
}

// taken reports whether there is a figure at all.
func (s spread) taken() bool { return len(s.Samples) > 0 }

// addTime adds a sample of time.
func (s *spread) addTime(d time.Duration) { s.add(d.Seconds()) }

// add adds a sample.
func (s *spread) add(v float64) {
	s.Samples = append(s.Samples, v)
	sorted := slices.Sorted(slices.Values(s.Samples))
	n := len(sorted)
	s.Min, s.Max, s.Median = sorted[0], sorted[n-1], (sorted[(n-1)/2]+sorted[n/2])/2
}

// ratio returns a/b, or 0 if b is.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// showTime renders seconds with three digits, in the unit that fits.
func showTime(s float64) string {
	switch a := max(s, -s); {
	case a < 0.0009995:
		return fmt.Sprintf("%.0f µs", s*1e6)
	case a < 0.00995:
		return fmt.Sprintf("%.2f ms", s*1e3)
	case a < 0.0995:
		return fmt.Sprintf("%.1f ms", s*1e3)
	case a < 0.9995:
		return fmt.Sprintf("%.0f ms", s*1e3)
	case a < 9.95:
		return fmt.Sprintf("%.2f s", s)
	}
	return fmt.Sprintf("%.1f s", s)
}

func showBytes(b float64) string { return cordon.FormatBytes(int64(b)) }
