package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// print writes the report as tables of medians.
func (r *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, r.Profile.String())
	fmt.Fprintf(w, "medians of %d rounds; %d entries were made in %s, and settled and swept the first time in %s\n",
		r.Rounds, r.Entries, lab.ShowTime(r.Fill), lab.ShowTime(r.Settle))
	for _, s := range r.Sections {
		s.print(t)
		if err := t.Flush(); err != nil { // columns as wide as this section needs
			return err
		}
		for _, row := range s.Rows {
			if row.Failed != "" {
				fmt.Fprintf(w, "%s: %s\n", row.Name, strings.ReplaceAll(row.Failed, "\n", " "))
			}
		}
	}
	fmt.Fprintf(t, "\ngoal\tof\tmeasured\tlimit\t\n")
	for _, v := range r.Goals {
		said, measured := "missed", v.show(v.Value)
		switch {
		case v.Reached:
			said = "reached"
		case v.Why != "":
			said, measured = "not measured", "–"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t≤ %s\t%s\n", v.Goal, v.Row, measured, v.show(v.Limit), said)
	}
	return t.Flush()
}

func (s *section) print(w io.Writer) {
	heads := []string{"\n" + s.Title}
	for _, c := range s.Columns {
		heads = append(heads, c.Name, "min – max")
		if c.compared {
			heads = append(heads, "cordon ÷ it")
		}
	}
	fmt.Fprintln(w, strings.Join(heads, "\t"))
	for _, r := range s.Rows {
		cells := []string{r.Name}
		for _, c := range s.Columns {
			cells = append(cells, r.show(s, c)...)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
}

// show renders a column of a row, with its spread and its ratio.
func (r *row) show(s *section, c column) []string {
	cells := []string{"–", "", ""}
	if v, taken := r.median(c.Name); taken {
		cells[0] = c.show(v)
		cells[1] = c.show(r.Figures[c.Name].Min) + " – " + c.show(r.Figures[c.Name].Max)
		if ours, taken := s.find(r.Ours).median(c.Name); r.Ours != "" && taken {
			cells[2] = lab.ShowTimes(lab.Ratio(ours, v))
		}
	}
	if !c.compared {
		cells = cells[:2]
	}
	return cells
}
