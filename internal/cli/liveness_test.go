package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

// heldFor makes a cache below --data in which a run has a workspace.
func (c *call) heldFor(t *testing.T, owner workspace.Owner) (path string) {
	t.Helper()
	object := filepath.Join(c.data(), storeFolder, "targets/project/target")
	if err := os.MkdirAll(filepath.Dir(object), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(object, []byte("a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	store, err := dir.Open(filepath.Join(c.data(), storeFolder))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := workspace.Open(workspace.Options{Dir: filepath.Join(c.data(), cacheFolder), Store: store})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	project, err1 := cordon.ParseTargetID("project")
	run, err2 := cordon.ParseRunID("r1")
	ws, err3 := cache.Get(context.Background(), workspace.Request{Target: project, Run: run, Mode: cordon.Isolated, Owner: owner})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return ws.Path
}

func TestCollectingDialsTemporalOnlyForARunOfIts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var dialled atomic.Bool
	go func() { // refuses to talk, at once
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			dialled.Store(true)
			conn.Close()
		}
	}()
	for _, tc := range []struct {
		name  string
		owner workspace.Owner
		env   map[string]string
		flags []string
		asks  bool
	}{
		{"a run of no Temporal", workspace.Owner{}, map[string]string{"TEMPORAL_ADDRESS": l.Addr().String()}, nil, false},
		{"a run of one that the environment names", workspace.Owner{Cluster: "c", Namespace: "n", WorkflowID: "w", RunID: "r"},
			map[string]string{"TEMPORAL_ADDRESS": l.Addr().String()}, nil, true},
		{"a run of one that a flag names", workspace.Owner{Cluster: "c", Namespace: "n", WorkflowID: "w", RunID: "r"},
			nil, []string{"--address", l.Addr().String()}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCall(t)
			for k, v := range tc.env {
				c.env[k] = v
			}
			path := c.heldFor(t, tc.owner)
			dialled.Store(false)
			got := c.mustRun(t, append([]string{"cache", "gc", "--data", c.data()}, tc.flags...)...)
			if dialled.Load() != tc.asks {
				t.Errorf("dialled: %v", dialled.Load())
			}
			if warned := strings.Contains(got.err, "WARN") && strings.Contains(got.err, l.Addr().String()); warned != tc.asks {
				t.Errorf("warned of the server that cannot be reached: %v\n%s", warned, got.err)
			}
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		})
	}
}

// What keeps a server from being named is no server that is away.
func TestAMisnamedTemporalStopsWhoWouldAskIt(t *testing.T) {
	c := newCall(t)
	path := c.heldFor(t, workspace.Owner{Cluster: "c", Namespace: "n", WorkflowID: "w", RunID: "r"})
	for _, command := range [][]string{{"gc"}, {"gc", "--dry-run"}, {"explain", path}} {
		for _, flag := range [][]string{{"--address", "nowhere"}, {"--profile", "none"}} {
			args := append(append([]string{"cache"}, command...), append(flag, "--data", c.data())...)
			if got := c.run(t, args...); got.code != ExitUsage || got.out != "" {
				t.Errorf("%q: exit code %d\n%s%s", args, got.code, got.out, got.err)
			}
		}
	}
	c.env["TEMPORAL_ADDRESS"] = "nowhere"
	c.mustRun(t, "cache", "ls", "--data", c.data()) // it asks nobody
}
