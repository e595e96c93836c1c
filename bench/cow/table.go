package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// print writes the report as tables.
func (r *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, r.Profile.String())
	for _, s := range r.Sections {
		fmt.Fprintf(t, "%s on %s: %d files, %s; object %s\n\n", s.Input, s.FS, s.Files, showBytes(float64(s.Bytes)), showBytes(float64(s.Object)))
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
		if !r.Ready.taken() {
			continue
		}
		peer := "–"
		if p := s.row(r.Peer); p.Ready.taken() {
			peer = times(ratio(r.Ready.Median, p.Ready.Median))
		}
		fmt.Fprintf(w, "%s\t%s\t%s – %s\t%d\t%s\t%s\t%s\t%s\t%s\n", r.Name,
			showTime(r.Ready.Median), showTime(r.Ready.Min), showTime(r.Ready.Max), len(r.Ready.Samples), r.showCrowd(fewAtOnce), r.showCrowd(manyAtOnce),
			times(ratio(s.row(reference).Ready.Median, r.Ready.Median)), peer, r.Peer)
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
			return fmt.Sprintf("%s (%s each%s)", showTime(c.Total.Median), showTime(c.Total.Median/float64(c.Size)), note)
		}
	}
	return "–"
}

// printRest writes the table of everything else.
func (s *section) printRest(w io.Writer) {
	heads := []string{"", "disk"}
	for _, f := range s.Written {
		heads = append(heads, "1 byte into "+showBytes(float64(f.Bytes)))
	}
	heads = append(heads, "removal returns", "disk free", "kernel memory", "grep ÷ plain", "tar ÷ plain")
	fmt.Fprintln(w, strings.Join(heads, "\t"))
	for _, r := range s.Rows {
		if !r.Ready.taken() {
			continue
		}
		cells := []string{r.Name, showBytes(r.Disk.Median)}
		for i := range s.Written {
			cell := "read-only"
			if i < len(r.FirstWrite) {
				cell = showTime(r.FirstWrite[i].Median)
			}
			cells = append(cells, cell)
		}
		cells = append(cells, showTime(r.Remove.Median), showTime(r.Freed.Median), r.showMemory(), r.Grep.show(), r.Tar.show())
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
	return showBytes(r.Crowds[len(r.Crowds)-1].Memory.Median)
}

func (r reading) show() string {
	if !r.taken() {
		return "–"
	}
	return fmt.Sprintf("%.2f ×", r.Ratio)
}

func isOurs(name string) bool { return strings.HasPrefix(name, "cordon ") }
