package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/workspace"
)

func TestTopPrintsOnceWhereThereIsNoTerminal(t *testing.T) {
	s := stock(t)
	out := s.do(t, "top").out
	for _, want := range []string{
		`cache +[█░]+ +\d+%  .* of 10\.0 GB  .* held`, `disk +[█░]+ +\d+%  .* free, of which`, `holds +4 entries: 2 of runs, 1 shared, 1 bases; 3 holds`,
		`run-[0-9a-f]{8} +mine +isolated .* r1`, `shared-[0-9a-f]{8} +mine +shared .* r2`, `base-[0-9a-f]{8} +mine +– .* nobody`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no line is %s in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") || strings.Contains(out, "q ends it") {
		t.Errorf("that is for terminals:\n%q", out)
	}
	var shot snapshot
	decode(t, s.do(t, "top", "--json").out, &shot)
	if len(shot.Entries) != 4 || shot.Usage.Entries[workspace.KindRun] != 2 || len(shot.Making) != 0 || shot.Runs == nil || shot.Dir == "" {
		t.Errorf("%+v", shot)
	}
	if a := s.try(t, "top", "--interval", "1ms"); a.code != ExitUsage || !strings.Contains(a.err, "200ms or more") {
		t.Errorf("--interval 1ms: exit code %d: %s", a.code, a.err)
	}
}

func TestTopShowsWhatRunsDoWithinTheTerminal(t *testing.T) {
	terminal, _ := openTerminal(t)
	a := &app{screen: newScreen(terminal, os.Stderr, func(string) string { return "" })}
	now := time.Unix(1_000_000, 0)
	live := fuzz.Live{Engine: "go", Harness: "FuzzParse", Stage: fuzz.StageFuzz, Bugs: 2}
	live.Executions = 15_000_000
	s := &snapshot{
		Time: now, Dir: "/cache",
		Usage:  workspace.Usage{Recorded: 99, MaxSize: 100, DiskFree: 50, DiskTotal: 100},
		Making: []workspace.Making{{What: "the base of target \x1b[31mred", Since: now.Add(-3 * time.Second), Reserved: 2000, Object: 1000, Arrived: 250}},
		Runs: []runState{
			{WorkflowID: "fuzz-1", Status: "running", Activity: "run_fuzzer", Attempt: 2, Since: now.Add(-90 * time.Second), Fuzzing: &live},
			{WorkflowID: "scan-2", Status: "running"},
		},
	}
	text := strings.Join(a.topLines(s, 200, 30), "\n")
	for _, want := range []string{"25%  250 B of 1.00 kB", `target \x1b[31mred`, "run_fuzzer (attempt 2)", "1 min 30 s", "go FuzzParse: 15M execs", "2 crashes", "(running)", "\x1b[31m███", "q ends it"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	for range 100 {
		s.Entries = append(s.Entries, workspace.Entry{Key: "run-00", Kind: workspace.KindRun})
	}
	lines := a.topLines(s, 40, 12)
	if len(lines) != 11 && len(lines) != 12 || !strings.Contains(lines[len(lines)-1], "lines more") {
		t.Errorf("%d lines on a terminal of 12: %q", len(lines), lines[len(lines)-1])
	}
	for _, l := range lines {
		if visible(l) > 40 {
			t.Errorf("a line of %d columns: %q", visible(l), l)
		}
	}
}
