package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/bench/internal/lab"
	"github.com/cordonlabs/cordon/bench/internal/naive"
)

// The command itself, in a namespace of its own, and its workers: this test binary
// is all of them.
func TestMain(m *testing.M) {
	if os.Getenv("CORDON_BENCH_TEST") != "" {
		main()
	}
	os.Exit(m.Run())
}

// engineCommand runs the command with tmp for its temporary files, and returns what
// it printed and its exit code.
func engineCommand(t *testing.T, tmp string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	c.Env = append(os.Environ(), "CORDON_BENCH_TEST=1", "TMPDIR="+tmp)
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

func TestWrongFlagsAreRefusedWithWhatIsAccepted(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--files=ten", `"ten" is not a number of files`},
		{"--rounds=-1", "--rounds must be 1 or more"},
		{"--entries=1", "--entries must be 2 or more"},
		{"quick", `"quick" is not a flag`},
	} {
		_, stderr, code := engineCommand(t, t.TempDir(), c.args)
		if code != lab.ExitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, said %q; want %d and %q", c.args, code, stderr, lab.ExitUsage, c.want)
		}
	}
}

func TestEverythingIsMeasuredAndNothingStaysBehind(t *testing.T) {
	tmp := t.TempDir()
	stdout, stderr, code := engineCommand(t, tmp, "--quick", "--rounds=1", "--entries=10", "--files=10", "--json")
	if code != lab.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	var rep report
	if err := json.Unmarshal([]byte(stdout), &rep); err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{"hits": 13, "small workspaces": 6, "removing trees": 3, "looking after entries": 13, "memory above an idle process": 2}
	for _, s := range rep.Sections {
		if len(s.Rows) != rows[s.Title] {
			t.Errorf("%s: %d rows, want %d", s.Title, len(s.Rows), rows[s.Title])
		}
		for _, r := range s.Rows {
			if first, taken := r.median(s.Columns[0].Name); !taken || first <= 0 && s.Title != "memory above an idle process" {
				t.Errorf("%s: %s: %s is %v", s.Title, r.Name, s.Columns[0].Name, first)
			}
		}
		delete(rows, s.Title)
	}
	if len(rows) > 0 {
		t.Errorf("no table of %v", rows)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("%v; left in the temporary directory: %v", err, left)
	}
}

func TestTablesTellRatiosAndGoals(t *testing.T) {
	rep := &report{Rounds: 3, Entries: judgedEntries}
	b := &bench{rep: rep}
	b.layOut()
	ours := b.tables.trees.row("cordon, 10 files", "").goal(returns, maxCleanup)
	theirs := b.tables.trees.row("rm -rf, 10 files", ours.Name)
	for _, v := range []float64{0.001, 0.002, 0.5} {
		ours.add(returns, v)
		theirs.add(returns, 5*v)
	}
	b.tables.many.row("next sweep", "").goal(took, maxSweep).add(took, 0.6)
	b.tables.hits.row("broken", "").goal(p50, maxHit).Failed = "no\nway"
	rep.finish()
	var out bytes.Buffer
	if err := rep.print(&out); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"rm -rf, 10 files 10.0 ms 5.00 ms – 2.50 s 0.2 ×",
		"removal returns cordon, 10 files 2.00 ms ≤ 10.0 ms reached",
		"took next sweep 600 ms ≤ 500 ms missed",
		"p50 broken – ≤ 100 µs not measured",
		"broken: no way",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the output does not have %q:\n%s", want, &out)
		}
	}
}

// What Cordon is compared with has to do what it says.
func TestNaiveCacheDeletesTheOldestFilesUntilItFits(t *testing.T) {
	dir := t.TempDir()
	b := &bench{}
	var err error
	if b.script, err = naive.Write(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for i, n := range []string{"new", "old", "middle", ".note"} {
		p := filepath.Join(dir, n)
		at := time.Unix([]int64{3000, 1000, 2000, 0}[i], 0)
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p, "f"), make([]byte, 100), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(p, "f"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	a, err := b.naive(t.Context(), "room", dir, "250")
	if err != nil || a.Took <= 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	for name, there := range map[string]bool{"new": true, "middle": true, "old": false, ".note": true} {
		if _, err := os.Stat(filepath.Join(dir, name, "f")); (err == nil) != there {
			t.Errorf("%s: %v, want it there: %t", name, err, there)
		}
	}
}
