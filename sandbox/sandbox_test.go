package sandbox_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

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
