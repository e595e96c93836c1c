package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

func (r *report) print(w io.Writer) error {
	fmt.Fprintln(w, r.Profile.String())
	fmt.Fprintf(w, "tier %s; missing: %v\n", r.Sandbox.Tier, r.Sandbox.Missing)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, s := range r.Sections {
		fmt.Fprintf(t, "\n%s\n", s.Name)
		if i == 0 {
			fmt.Fprintln(t, "\tmedian\tbest\t95th of 100\ttool runs after")
		} else {
			fmt.Fprintln(t, "\tmedian\tbest\tspeed against bare\tby processor time")
		}
		first := s.Rows[0]
		for _, row := range s.Rows {
			switch {
			case row.Why != "":
				fmt.Fprintf(t, "%s\t%s\n", row.Name, row.Why)
			case i == 0:
				ready := ""
				if row.Ready.Taken() {
					ready = lab.ShowTime(row.Ready.Median)
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", row.Name, lab.ShowTime(row.Took.Median), lab.ShowTime(row.Took.Min), lab.ShowTime(p95(row.Took)), ready)
			default:
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", row.Name, lab.ShowTime(row.Took.Median), lab.ShowTime(row.Took.Min),
					lab.ShowTimes(lab.Ratio(first.Took.Median, row.Took.Median)), lab.ShowTimes(lab.Ratio(first.CPU.Median, row.CPU.Median)))
			}
		}
	}
	return t.Flush()
}

// p95 is the sample that 95 of 100 do not exceed.
func p95(s lab.Spread) float64 {
	sorted := slices.Sorted(slices.Values(s.Samples))
	return sorted[(len(sorted)-1)*95/100]
}
