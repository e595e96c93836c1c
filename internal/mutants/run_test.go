package mutants_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
)

var which = flag.String("mutants", "", `"all", or a word in the names of those that run (default: a few, by the day)`)

// sample is how many run by default.
const sample = 3

// limit is how long a test may take: a mutant that hangs it is caught, too.
const limit = 2 * time.Minute

// TestMutants lets the named tests fail, after they have passed without the mutant.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("each mutant builds a test program: -short has no time for that")
	}
	var table strings.Builder
	lines := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	built := map[string]string{} // without a mutant, by package
	sound := map[string]error{}  // what the tests say without one
	for _, m := range chosen() {
		t.Run(m.name, func(t *testing.T) {
			b := m.caught
			if built[b.pkg] == "" {
				built[b.pkg] = build(t, b.pkg, "")
			}
			test := b.pkg + " " + b.run
			if _, ok := sound[test]; !ok {
				v := run(t, built[b.pkg], b)
				sound[test] = nil
				switch {
				case v.none:
					sound[test] = errors.New("there is no such test here, or it is skipped")
				case v.err != nil:
					sound[test] = fmt.Errorf("%w\n%s", v.err, v.out)
				}
			}
			if err := sound[test]; err != nil {
				t.Fatalf("without a mutant, %s: %v", test, err)
			}
			overlay, err := m.overlay(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			v := run(t, build(t, b.pkg, overlay), b)
			if v.err == nil {
				t.Fatalf("%s passes: nothing notices that mutant", test)
			}
			fmt.Fprintf(lines, "%s\t%s\t%s\t%v\n", m.name, m.file, v.failed, v.took.Round(100*time.Millisecond))
		})
	}
	lines.Flush()
	t.Logf("caught:\n%s", table.String())
}

// chosen returns the mutants that run now.
func chosen() []mutant {
	switch *which {
	case "all":
		return mutants
	case "":
		day := int(time.Now().Unix() / (24 * 60 * 60))
		var some []mutant
		for i := range sample {
			some = append(some, mutants[(day*sample+i)%len(mutants)])
		}
		return some
	}
	return slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return !strings.Contains(m.name, *which) })
}

// build builds the tests of pkg. What does not compile is no mutant.
func build(t *testing.T, pkg, overlay string) string {
	t.Helper()
	program := filepath.Join(temp(t), "test")
	args := []string{"test", "-c", "-o", program}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.Command("go", append(args, "./"+pkg)...)
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("it cannot be built: %v\n%s", err, out)
	}
	return program
}

// temp is a directory that stays until all mutants have run.
func temp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(programs, "")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// programs is where built tests are.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "cordon-mutants-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(programs) // the verdict is what matters
	os.Exit(code)
}

// verdict is what a test said.
type verdict struct {
	err    error // it failed
	none   bool  // nothing ran
	failed string
	out    string
	took   time.Duration
}

var failure = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)

// run runs the tests that b names, in a directory of their own, from which
// everything goes that a mutant may leave there.
func run(t *testing.T, program string, b by) verdict {
	t.Helper()
	dir := mountstest.Dir(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit+30*time.Second)
	defer cancel()
	args := append([]string{"-test.v", "-test.count=1", "-test.run=" + b.run, "-test.timeout=" + limit.String()}, b.flags...)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = filepath.Join(module, b.pkg)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	// It starts processes of its own, which must not outlive it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // mostly, nobody is left
	v := verdict{err: err, out: tail(string(out)), took: time.Since(begin)}
	v.none = err == nil && !strings.Contains(string(out), "--- PASS")
	// Subtests are told after their test: the last one is the most exact.
	if all := failure.FindAllStringSubmatch(string(out), -1); len(all) > 0 {
		v.failed = all[0][1]
		for _, m := range all {
			if strings.HasPrefix(m[1], v.failed+"/") {
				v.failed = m[1]
			}
		}
	} else if err != nil {
		v.failed = b.run + " (" + err.Error() + ")"
	}
	return v
}

func tail(s string) string { return s[max(0, len(s)-4000):] }
