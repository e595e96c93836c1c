package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// print writes the report as tables: one for each object, place and store.
func (r *report) print(w io.Writer) error {
	fmt.Fprintln(w, r.Profile.String())
	for _, n := range r.Notes {
		fmt.Fprintf(w, "%s\n\n", strings.ReplaceAll(n, "\n", " "))
	}
	for _, s := range r.Sections {
		for _, store := range stores {
			if err := s.print(w, store); err != nil {
				return err
			}
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "goal\tinput\ton\tfrom\tmeasured\tlimit\t\n")
	for _, v := range r.Goals {
		said, measured := "missed", v.show(v.Value)
		switch {
		case v.Reached:
			said = "reached"
		case v.Why != "":
			said, measured = "not measured", "–"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t≤ %s\t%s\n", v.Goal, v.Input, v.Place, v.Store, measured, v.show(v.Limit), said)
	}
	return t.Flush()
}

// print writes what was fetched from store, and the limits; nothing if nothing was.
func (s *section) print(w io.Writer, store string) error {
	var rows []*row
	taken := false
	for _, r := range s.Rows {
		if r.Store == store || r.Store == "" {
			rows = append(rows, r)
			taken = taken || r.Store == store && r.Done.Taken()
		}
	}
	if !taken {
		return nil
	}
	fmt.Fprintf(w, "%s on %s, from %s: %d files, %s; object %s\n\n", s.Input, s.Place, nameOf[store],
		s.Files, lab.ShowBytes(float64(s.Bytes)), lab.ShowBytes(float64(s.Object)))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	heads := []string{"", "done", "min – max", "cordon ÷ it"}
	if s.Place == disk {
		heads = append(heads, "durable", "min – max", "cordon ÷ it")
	}
	fmt.Fprintln(t, strings.Join(append(heads, "of", "CPU", "peak memory"), "\t"))
	cordon := s.row(store, ours)
	for _, r := range rows {
		if !r.Done.Taken() {
			continue
		}
		cells := append([]string{r.Name}, showSpread(r.Done, cordon.Done)...)
		if s.Place == disk {
			// What reads only has nothing to sync.
			cells = append(cells, showSpread(r.Durable, cordon.Durable)...)
		}
		memory := "–" // over before anybody looked
		if r.Peak.Median > 0 {
			memory = lab.ShowBytes(r.Peak.Median)
		}
		if above := r.above(); above.Taken() {
			memory += fmt.Sprintf(" (%s above idle)", lab.ShowBytes(above.Median))
		}
		fmt.Fprintln(t, strings.Join(append(cells, fmt.Sprint(len(r.Done.Samples)), lab.ShowTime(r.CPU.Median), memory), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, r := range rows {
		if why := r.Failed + r.Unavailable; why != "" {
			fmt.Fprintf(w, "%s: %s\n\n", r.Name, strings.ReplaceAll(why, "\n", " "))
		}
	}
	return nil
}

var nameOf = map[string]string{dirStore: "the directory store", minioStore: "MinIO"}

// showSpread renders a time, its spread, and Cordon's ratio to it.
func showSpread(s, cordon lab.Spread) []string {
	if !s.Taken() {
		return []string{"–", "–", "–"}
	}
	ratio := "–"
	if cordon.Taken() {
		ratio = lab.ShowTimes(lab.Ratio(cordon.Median, s.Median))
	}
	return []string{lab.ShowTime(s.Median), lab.ShowTime(s.Min) + " – " + lab.ShowTime(s.Max), ratio}
}
