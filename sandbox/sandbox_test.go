package sandbox_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/sandbox"
)

// open returns a sandbox of whatever tier this host can.
func open(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.New(sandbox.Options{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a shell script in a workspace of its own, and returns what it printed.
func run(t *testing.T, s *sandbox.Sandbox, c sandbox.Command, script string) (sandbox.Result, string) {
	t.Helper()
	if c.Workspace == "" {
		c.Workspace = t.TempDir()
	}
	var out bytes.Buffer
	c.Args = []string{"sh", "-c", script}
	c.Stdout, c.Stderr = &out, &out
	r, err := s.Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r, strings.TrimSpace(out.String())
}

// left lists the processes whose command line holds the mark.
func left(t *testing.T, mark string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(mark)) {
			found = append(found, f+": "+string(b))
		}
	}
	return found
}

// soon waits for what must come to be, but not when.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 30 s, still not: %s", what)
		}
	}
}

// everyTier runs a test in each tier that works here, in short tests in the best one.
func everyTier(t *testing.T, do func(t *testing.T, s *sandbox.Sandbox)) {
	t.Helper()
	done := false
	for _, tier := range []sandbox.Tier{sandbox.Full, sandbox.Rootless, sandbox.None} {
		t.Run(string(tier), func(t *testing.T) {
			s, err := sandbox.New(sandbox.Only(sandbox.Options{StateDir: t.TempDir()}, tier))
			if err != nil {
				t.Fatal(err)
			}
			if s.Report().Tier != tier {
				t.Skipf("not here: %v", s.Report().Missing)
			}
			do(t, s)
			done = true
		})
		if done && testing.Short() {
			return
		}
	}
}

// mark returns a number of seconds that nobody else sleeps for.
func mark() string { return fmt.Sprintf("9%d", time.Now().UnixNano()%1e9) }
