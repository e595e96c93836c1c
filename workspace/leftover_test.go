package workspace_test

import (
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
)

// A sweep that forgets an unreadable record leaves what a run got meanwhile.
func TestForgettingLooksAgain(t *testing.T) {
	needMounts(t)
	for try := range 40 {
		var hook atomic.Pointer[func()]
		var b *bench
		b = newBench(t, func(o *workspace.Options) {
			o.Logger = slog.New(onLog{slog.DiscardHandler, func(msg string) {
				if f := hook.Load(); f != nil && strings.Contains(msg, "cannot remove from cache") {
					hook.Store(nil)
					(*f)()
				}
			}})
		})
		b.put("T", project.tarball(t))
		victim, stuck := name("victim%d", try), name("stuck%d", try)
		b.get("T", victim, cordon.Isolated)
		b.get("T", stuck, cordon.Isolated)
		// A power failure emptied both records; one directory cannot be moved at the moment.
		for _, run := range []string{victim, stuck} {
			must(t, os.Truncate(b.path(".cordon/records/"+keyOf("run", "T", run)+".json"), 0))
		}
		must(t, exec.Command("mount", "-t", "tmpfs", "none", b.path("T/"+stuck)).Run())
		f, err := os.Create(b.path("T/" + stuck + "/used"))
		must(t, err)
		other := b.open()
		var ws workspace.Workspace
		inTime := false
		get := func() {
			if _, err := os.Stat(b.path(".cordon/records/" + keyOf("run", "T", victim) + ".json")); err != nil {
				return // its turn was before the stuck one's: try other names
			}
			inTime = true
			ws, err = other.Get(t.Context(), request("T", victim, cordon.Isolated))
			must(t, err)
		}
		hook.Store(&get)
		b.sweep()
		f.Close()
		mountstest.UnmountBelow(t, b.opts.Dir)
		if !inTime {
			continue
		}
		if _, err := os.Stat(ws.Path); err != nil {
			t.Fatalf("the workspace that a run got during the sweep is gone: %v", err)
		}
		return
	}
	t.Skip("never in the order needed")
}

// Forgetting a base that stood aside leaves the directory for such bases.
func TestForgettingKeepsTheLayout(t *testing.T) {
	b := newBench(t)
	must(t, os.WriteFile(b.path(".cordon/records/aside-0123456789abcdef0123456789abcdef.json"), nil, 0o600))
	b.sweep()
	mustExist(t, b.path(".cordon/bases"))
}
