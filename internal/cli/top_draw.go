package cli

import (
	"fmt"
	"strings"

	"github.com/cordonlabs/cordon/workspace"
)

// topLines renders s for so many columns and lines; 0 means no limit.
func (a *app) topLines(s *snapshot, width, height int) []string {
	u := s.Usage
	lines := []string{
		fmt.Sprintf("%s  %s  %s", a.paintOut(bold, "cordon top"), plain(s.Dir), a.paintOut(dim, s.Time.Format("15:04:05"))),
		a.gauge("cache", u.Recorded+u.Reserved, u.MaxSize) + fmt.Sprintf("  %s held, %s to be had back", bytesOf(u.Held), bytesOf(u.Reclaimable)),
		a.gauge("disk", u.DiskTotal-u.DiskFree, u.DiskTotal) + fmt.Sprintf("  %s free, of which %s stay free", bytesOf(u.DiskFree), bytesOf(u.MinFree)),
		fmt.Sprintf("%-6s %s: %d of runs, %d shared, %d bases; %s; %s; trash %s", "holds", count(len(s.Entries), "entry", "entries"),
			u.Entries[workspace.KindRun], u.Entries[workspace.KindShared], u.Entries[workspace.KindBase],
			count(holdsOf(s.Entries), "hold", "holds"), bytesOf(u.Pinned)+" pinned", bytesOf(u.TrashBytes)),
	}
	part := func(t *table) {
		if len(t.rows) == 0 {
			return
		}
		lines = append(lines, "")
		for i, l := range t.lines(width) {
			if i == 0 {
				l = a.paintOut(dim, l)
			}
			lines = append(lines, l)
		}
	}
	part(a.makingTable(s))
	part(a.runsTable(s))
	if s.Silent != "" {
		lines = append(lines, "", a.paintOut(yellow, "Temporal does not say what the runs do: ")+plain(s.Silent))
	}
	part(a.heldTable(s))
	if height > 0 {
		end := a.paintOut(dim, "q ends it")
		if len(lines) > height-1 {
			more := len(lines) - (height - 2)
			lines = lines[:max(height-2, 0)]
			end = a.paintOut(dim, fmt.Sprintf("%s more; q ends it", count(more, "line", "lines")))
			lines = append(lines, end)
		} else {
			lines = append(lines, "", end)
			lines = lines[:min(len(lines), height)]
		}
	}
	for i := range lines {
		lines[i] = clip(lines[i], width)
	}
	return lines
}

// gauge renders a part of a whole; the bar warns of the last tenth.
func (a *app) gauge(label string, part, whole int64) string {
	share := 0.0
	if whole > 0 {
		share = min(max(float64(part)/float64(whole), 0), 1)
	}
	colour := green
	switch {
	case share >= 0.97:
		colour = red
	case share >= 0.9:
		colour = yellow
	}
	return fmt.Sprintf("%-6s %s %3.0f%%  %s of %s", label, a.paintOut(colour, drawBar(share)), share*100, bytesOf(part), bytesOf(whole))
}

func holdsOf(entries []workspace.Entry) (n int) {
	for _, e := range entries {
		n += len(e.Holders)
	}
	return n
}

// makingTable lists what is being fetched and made.
func (a *app) makingTable(s *snapshot) *table {
	t := newTable("MAKING", "FOR", "RESERVED", "ARRIVED")
	t.right[2] = true
	for _, m := range s.Making {
		arrived := ""
		if m.Object > 0 {
			share := min(float64(m.Arrived)/float64(m.Object), 1)
			arrived = fmt.Sprintf("%s %3.0f%%  %s of %s", a.paintOut(blue, drawBar(share)), share*100, bytesOf(m.Arrived), bytesOf(m.Object))
		}
		t.add(brief(plain(m.What), 2*idWidth), short(s.Time.Sub(m.Since)), bytesOf(m.Reserved), arrived)
	}
	return t
}

// runsTable lists what the runs that hold something do.
func (a *app) runsTable(s *snapshot) *table {
	t := newTable("RUN", "DOES", "FOR", "HOW FAR")
	for _, r := range s.Runs {
		does, since := r.Activity, "–"
		if does == "" {
			does = "(" + r.Status + ")"
		}
		if r.Attempt > 1 {
			does += fmt.Sprintf(" (attempt %d)", r.Attempt)
		}
		if !r.Since.IsZero() {
			since = short(s.Time.Sub(r.Since))
		}
		t.add(brief(plain(r.WorkflowID), idWidth), plain(does), since, a.howFar(r))
	}
	return t
}

func (a *app) howFar(r runState) string {
	switch {
	case r.Fuzzing != nil && r.Fuzzing.Harness != "":
		return plain(r.Fuzzing.Engine + " " + r.Fuzzing.String())
	case r.Total > 0:
		share := min(float64(r.Done)/float64(r.Total), 1)
		return fmt.Sprintf("%s %s %3.0f%%", plain(r.Stage), a.paintOut(blue, drawBar(share)), share*100)
	case r.Done > 0 && r.Unit == "bytes":
		return plain(r.Stage) + " " + bytesOf(r.Done)
	case r.Done > 0:
		return fmt.Sprintf("%s %s %s", plain(r.Stage), thousands(int(r.Done)), plain(r.Unit))
	}
	return plain(r.Stage)
}

// heldTable lists the entries, those that were used last first.
func (a *app) heldTable(s *snapshot) *table {
	t := newTable("ENTRY", "TARGET", "MODE", "DRIVER", "SIZE", "USED", "HELD BY", "NOTE")
	t.right[4] = true
	keys := shortKeys(s.Entries)
	for _, e := range s.Entries {
		t.add(keys[e.Key], brief(plain(e.Target.String()), idWidth), modeOf(e), e.Driver, bytesOf(e.Bytes), ago(e.LastUsed, s.Time), holders(e.Holders, false), strings.TrimSpace(a.notes(e)))
	}
	return t
}
