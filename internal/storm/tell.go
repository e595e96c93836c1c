package storm

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// about is what a failure is about; empty fields say nothing.
type about struct{ target, run, path string }

// entry is one line of the storm's memory.
type entry struct {
	began, ended time.Time
	pid, lane    int
	cmd          command
	a            answer
	ok           bool
}

// memory is how many operations are remembered.
const memory = 20_000

// history remembers the last operations.
type history struct {
	mu   sync.Mutex
	ring []entry
	next int
}

func (w *season) note(began time.Time, pid, lane int, cmd command, a answer, ok bool) {
	what := string(cmd.Op)
	switch {
	case !ok:
		what += " killed"
	case a.Context:
		what += " given up"
	case a.Err != "":
		what += " " + string(a.Kind)
	}
	w.sum.ops.add(what)
	cmd.Steps = slices.Clone(cmd.Steps)
	for i := range cmd.Steps {
		cmd.Steps[i].Data = cmd.Steps[i].Data[:min(len(cmd.Steps[i].Data), 60)]
	}
	h := &w.history
	h.mu.Lock()
	defer h.mu.Unlock()
	e := entry{began, time.Now(), pid, lane, cmd, a, ok}
	if len(h.ring) < memory {
		h.ring = append(h.ring, e)
		return
	}
	h.ring[h.next] = e
	h.next = (h.next + 1) % memory
}

func (e entry) concerns(what about) bool {
	return what.run != "" && e.cmd.Run == what.run || what.run == "" && what.target != "" && e.cmd.Target == what.target || what.path != "" && e.cmd.Path == what.path
}

func (e entry) String() string {
	const clock = "15:04:05.000000"
	s := fmt.Sprintf("%s – %s pid %d lane %d: %s → ", e.began.Format(clock), e.ended.Format(clock), e.pid, e.lane, e.cmd)
	switch {
	case !e.ok:
		return s + "died"
	case e.a.Err != "":
		return s + e.a.Err
	case e.cmd.Op == opGet:
		return s + fmt.Sprintf("%s %s %s hit=%v", e.a.Got.Path, e.a.Got.Driver, e.a.Got.ETag, e.a.Got.Hit)
	case e.cmd.Op == opCleanup:
		return s + fmt.Sprintf("%s: %s", e.a.Outcome, e.a.Reason)
	}
	return s + "ok"
}

func (cmd command) String() string {
	s := fmt.Sprintf("%s %s %s %s %s", cmd.Op, cmd.Target, cmd.Run, cmd.Mode, cmd.Path)
	if cmd.Limit > 0 {
		s += " deadline " + cmd.Limit.String()
	}
	if cmd.Cancel > 0 {
		s += " cancelled after " + cmd.Cancel.String()
	}
	if cmd.Op == opSweep {
		s += fmt.Sprintf("%+v", cmd.Sweep)
	}
	for _, st := range cmd.Steps {
		s += fmt.Sprintf("; %s %q %.60q", st.Do, st.Name, st.Data)
	}
	return strings.Join(strings.Fields(s), " ")
}

// fail remembers a failure with all that is known of what it is about, and ends
// the storm.
func (w *season) fail(what about, format string, args ...any) {
	w.failMu.Lock()
	defer w.failMu.Unlock()
	if w.failures++; w.failures > 5 {
		return // one defect shows in many places
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: season %q, round %d: ", time.Now().Format("15:04:05.000000"), w.Name, w.sum.rounds.Load())
	fmt.Fprintf(&b, format, args...)
	b.WriteString("\n")
	w.history.mu.Lock()
	all := slices.Concat(w.history.ring[w.history.next:], w.history.ring[:w.history.next])
	w.history.mu.Unlock()
	all = slices.DeleteFunc(all, func(e entry) bool { return !e.concerns(what) })
	for _, e := range all[max(0, len(all)-40):] {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	if what.target != "" {
		w.onDisk(&b, what)
	}
	if w.failures == 1 {
		b.WriteString(w.said.String())
	}
	w.report(b.String())
	w.stop()
}

// onDisk tells what the cache's own files say of it.
func (w *season) onDisk(b *strings.Builder, what about) {
	state := filepath.Join(w.cache, ".cordon")
	records, _ := filepath.Glob(state + "/records/*.json") // the pattern is well-formed
	for _, name := range records {
		rec, _ := os.ReadFile(name) // it may be gone
		text := string(rec)
		if !strings.Contains(text, `"target_id": "`+what.target+`"`) || strings.Contains(text, `"run_id"`) && !strings.Contains(text, `"`+what.run+`"`) {
			continue
		}
		fmt.Fprintf(b, "  record %s: %s\n", filepath.Base(name), strings.Join(strings.Fields(text), " "))
		holds, _ := filepath.Glob(state + "/holds/" + strings.TrimSuffix(filepath.Base(name), ".json") + "/*") // likewise
		for _, h := range holds {
			text, _ := os.ReadFile(h) // likewise
			fmt.Fprintf(b, "    hold %s\n", text)
		}
	}
	if f, err := os.Open(state + "/events.jsonl"); err == nil {
		defer f.Close()
		var lines []string
		for in := bufio.NewScanner(f); in.Scan(); {
			if strings.Contains(in.Text(), what.target+"/") && (what.run == "" || strings.Contains(in.Text(), what.run) || !strings.Contains(in.Text(), "/run-")) {
				lines = append(lines, in.Text())
			}
		}
		for _, l := range lines[max(0, len(lines)-15):] {
			fmt.Fprintf(b, "  event %s\n", l)
		}
	}
	all, _ := mounts.Below(w.cache) // what cannot be listed is not told
	for _, m := range all {
		if strings.Contains(m.Point, "/"+what.target+"/") {
			fmt.Fprintf(b, "  mount %s %s %s\n", m.Point, m.Source, m.Options)
		}
	}
}

// counts count by name.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[name]++
}

func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.n)) {
		all = append(all, fmt.Sprintf("%s %d", name, c.n[name]))
	}
	return strings.Join(all, ", ")
}

// String is the summary.
func (s *sum) String() string {
	n := func(v *atomic.Int64) int64 { return v.Load() }
	return fmt.Sprintf("%d kills, %d stops, %d orderly ends, %d rounds\n"+
		"%d downloads, %d removals, %d of them evictions, %d objects replaced, %d times parts removed by hand\n"+
		"%d workspaces compared, %d MB; at most %d mounts\n"+
		"disk measured %d times, at most %d%% of the ceiling; records at most %d bytes under the disk, %d%% over it\n%s",
		n(&s.kills), n(&s.stops), n(&s.ends), n(&s.rounds), n(&s.downloads), n(&s.removals), n(&s.evictions), n(&s.puts), n(&s.raids),
		n(&s.checks), n(&s.bytes)/1e6, n(&s.mounts), n(&s.samples), n(&s.fullest), n(&s.unexplained), n(&s.overstated), s.ops.String())
}
