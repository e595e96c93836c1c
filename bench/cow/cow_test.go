package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// The command itself, in a namespace of its own: this test binary is it.
func TestMain(m *testing.M) {
	if os.Getenv("CORDON_BENCH_TEST") != "" {
		main()
	}
	os.Exit(m.Run())
}

// cow runs the command with tmp for its temporary files, and returns what it
// printed and its exit code.
func cow(t *testing.T, tmp string, args ...string) (stdout, stderr string, code int) {
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
		{"--fs=zfs", `"zfs" is none of ext4, xfs, btrfs`},
		{"--input=kernel,moon", `"moon" is none of small, kernel, large, file`},
		{"--only=[", "syntax error in pattern"},
		{"quick", `"quick" is not a flag`},
		{"--samples=-1", "--samples must be 1 or more"},
	} {
		_, stderr, code := cow(t, t.TempDir(), c.args)
		if code != lab.ExitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, said %q; want %d and %q", c.args, code, stderr, lab.ExitUsage, c.want)
		}
	}
}

func TestTheTableHasWhoWasAskedForAndNothingStaysBehind(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting loop file systems needs root")
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip(err)
	}
	tmp := t.TempDir()
	stdout, stderr, code := cow(t, tmp, "--quick", "--samples=1", "--fs=ext4", "--input=small", "--only=cordon shared")
	if code != lab.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	for _, want := range []string{"small on ext4: 2000 files", "\ncordon shared", "\ncp -a", "removal returns", "tar, to a plain directory"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output does not have %q:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "\nrsync -a") {
		t.Errorf("the output has a contestant that was not asked for:\n%s", stdout)
	}
	loops, err := exec.CommandContext(t.Context(), "losetup", "--list", "--noheadings", "--output", "BACK-FILE").Output()
	if err != nil || strings.Contains(string(loops), tmp) {
		t.Errorf("losetup: %v; or an image is still attached:\n%s", err, loops)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("%v; left in the temporary directory: %v", err, left)
	}
}

func of(samples ...float64) (s lab.Spread) {
	for _, v := range samples {
		s.Add(v)
	}
	return s
}

func TestVerdicts(t *testing.T) {
	s := &section{Input: "kernel", FS: "ext4", Rows: []*row{
		{Name: "cordon shared", Ready: of(0.001), Disk: of(4096), Remove: of(0.02), Grep: reading{of(1), 1.05}, Tar: reading{of(1), 1.2}},
		{Name: "cordon overlay", Peer: "mount overlay", Unavailable: "no"},
		{Name: "cordon reflink", Peer: "cp --reflink=always", Unavailable: "ext4 cannot share blocks"},
		{Name: "cordon isolated", Peer: "fetch+extract", Ready: of(1.1, 5.005, 1.2), Remove: of(0.001)},
		{Name: "cp -a", Ready: of(0.25)},
		{Name: "cp --reflink=always", Unavailable: "ext4 cannot share blocks"},
		{Name: "fetch+extract", Ready: of(1.095, 5, 1.1)},
	}}
	got := map[string]verdict{}
	for _, v := range s.verdicts() {
		got[v.Row+": "+v.Target] = v
	}
	for name, reached := range map[string]bool{
		"cordon shared: ready":                                true,
		"cordon shared: times faster than cp -a":              false, // 250 times
		"cordon shared: disk before the first write":          true,
		"cordon shared: removal returns":                      false,
		"cordon shared: grep -r, to a plain directory":        true,
		"cordon shared: tar, to a plain directory":            false,
		"cordon overlay: ready":                               false, // was to be had, but not from Cordon
		"cordon isolated: ready, beyond fetch and extraction": true,  // by the rounds' differences, not those of the medians
		"cordon isolated: removal returns":                    true,
	} {
		if v, there := got[name]; !there || v.Reached != reached {
			t.Errorf("%s: there %t, reached %t; want %t", name, there, v.Reached, reached)
		}
	}
	if v := got["cordon overlay: ready"]; v.Why == "" {
		t.Error("the verdict on what was not measured does not say why")
	}
	if v, there := got["cordon reflink: ready, to cp --reflink=always"]; there {
		t.Errorf("what the file system cannot do is judged: %+v", v)
	}
}
