package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
)

// call is one command line, run in this process with an environment of its own.
type call struct {
	env     map[string]string
	home    string
	fuzzers fuzzers
}

func newCall(t *testing.T) *call {
	home := mountstest.Dir(t)
	return &call{env: map[string]string{"HOME": home}, home: home}
}

// data is a folder for --data.
func (c *call) data() string { return filepath.Join(c.home, "data") }

type answer struct {
	out, err string
	code     int
}

func (c *call) run(t *testing.T, args ...string) answer {
	t.Helper()
	var out, err bytes.Buffer
	getenv := func(name string) string { return c.env[name] }
	var environ []string
	for k, v := range c.env {
		environ = append(environ, k+"="+v)
	}
	a := &app{screen: newScreen(&out, &err, getenv), environ: environ, getenv: getenv, now: time.Now, version: Version{Version: "v1"}, fuzzers: c.fuzzers}
	code := a.run(context.Background(), args)
	return answer{out.String(), err.String(), code}
}

// mustRun runs a command that has to succeed.
func (c *call) mustRun(t *testing.T, args ...string) answer {
	t.Helper()
	got := c.run(t, args...)
	if got.code != ExitOK {
		t.Fatalf("cordon %s: exit code %d\n%s%s", strings.Join(args, " "), got.code, got.out, got.err)
	}
	return got
}
