package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// print writes the report as tables.
func (r *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, r.Profile.String())
	for _, s := range r.Sections {
		fmt.Fprintf(t, "%s on %s: %d files, %s; object %s\n\n", s.Input, s.FS, s.Files, lab.ShowBytes(float64(s.Bytes)), lab.ShowBytes(float64(s.Object)))
		s.printReady(t)
		s.printRest(t)
		if err := t.Flush(); err != nil { // columns as wide as this section needs
			return err
		}
		s.printAbsent(w)
	}
	fmt.Fprintf(t, "target\tinput\ton\tof\tmeasured\tlimit\t\n")
	for _, v := range r.Targets {
		bound, said, measured := "≤ ", "not reached", v.show(v.Value)
		if v.least {
			bound = "≥ "
		}
		switch {
		case v.Reached:
			said = "reached"
		case v.Why != "":
			said, measured = "not measured", "–"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Target, v.Input, v.FS, v.Row, measured, bound+v.show(v.Limit), said)
	}
	return t.Flush()
}

// printReady writes the table of times to a ready workspace.
func (s *section) printReady(w io.Writer) {
	fmt.Fprintf(w, "\tready\tmin – max\tof\t%d at once\t%d at once\tcp -a ÷ it\tit ÷ peer\tpeer\n", fewAtOnce, manyAtOnce)
	for _, r := range s.Rows {
		if !r.Ready.Taken() {
			continue
		}
		peer := "–"
		if p := s.row(r.Peer); p.Ready.Taken() {
			peer = lab.ShowTimes(lab.Ratio(r.Ready.Median, p.Ready.Median))
		}
		fmt.Fprintf(w, "%s\t%s\t%s – %s\t%d\t%s\t%s\t%s\t%s\t%s\n", r.Name,
			lab.ShowTime(r.Ready.Median), lab.ShowTime(r.Ready.Min), lab.ShowTime(r.Ready.Max), len(r.Ready.Samples), r.showCrowd(fewAtOnce), r.showCrowd(manyAtOnce),
			lab.ShowTimes(lab.Ratio(s.row(reference).Ready.Median, r.Ready.Median)), peer, r.Peer)
	}
	fmt.Fprintln(w)
}

// showCrowd renders "all of them (for each)".
func (r *row) showCrowd(asked int) string {
	for _, c := range r.Crowds {
		if c.Asked == asked {
			note := ""
			if c.Size != asked {
				note = fmt.Sprintf(", of %d", c.Size)
			}
			return fmt.Sprintf("%s (%s each%s)", lab.ShowTime(c.Total.Median), lab.ShowTime(c.Total.Median/float64(c.Size)), note)
		}
	}
	return "–"
}

// printRest writes the table of everything else.
func (s *section) printRest(w io.Writer) {
	heads := []string{"", "disk"}
	for _, f := range s.Written {
		heads = append(heads, "1 byte into "+lab.ShowBytes(float64(f.Bytes)))
	}
	heads = append(heads, "removal returns", "disk free", "kernel memory", "grep ÷ plain", "tar ÷ plain")
	fmt.Fprintln(w, strings.Join(heads, "\t"))
	for _, r := range s.Rows {
		if !r.Ready.Taken() {
			continue
		}
		cells := []string{r.Name, lab.ShowBytes(r.Disk.Median)}
		for i := range s.Written {
			cell := "read-only"
			if i < len(r.FirstWrite) {
				cell = lab.ShowTime(r.FirstWrite[i].Median)
			}
			cells = append(cells, cell)
		}
		cells = append(cells, lab.ShowTime(r.Remove.Median), lab.ShowTime(r.Freed.Median), r.showMemory(), r.Grep.show(), r.Tar.show())
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	fmt.Fprintln(w)
}

// printAbsent writes who has no figures, or not all of them, and why.
func (s *section) printAbsent(w io.Writer) {
	for _, r := range s.Rows {
		if why := r.Failed + r.Unavailable; why != "" {
			fmt.Fprintf(w, "%s: %s\n", r.Name, strings.ReplaceAll(why, "\n", " "))
		}
	}
	fmt.Fprintln(w)
}

// showMemory renders what a workspace takes of the kernel's memory, where the most were there at once.
func (r *row) showMemory() string {
	if len(r.Crowds) == 0 {
		return "–"
	}
	return lab.ShowBytes(r.Crowds[len(r.Crowds)-1].Memory.Median)
}

func (r reading) show() string {
	if !r.Taken() {
		return "–"
	}
	return fmt.Sprintf("%.2f ×", r.Ratio)
}

func isOurs(name string) bool { return strings.HasPrefix(name, "cordon ") }
