package activities_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/activities"
)

// CONTRACT §1.4: what the cache recorded decides, and nothing ever fails. The
// calls are those seen in the wild, and those that a mistake would make.
func TestCleanupCacheActsOnTheRecord(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.put("project", map[string]string{"a.txt": "a"})
	get := func(run, mode string) string {
		a, _, err := h.call(activities.GetTargetName, text("project"), text(run), text(mode))
		return h.path(a, err)
	}
	own, cow, mine := get("r1", "isolated"), get("r2", "copy-on-write"), get("r3", "isolated")
	shared := get("r4", "shared")
	outside := t.TempDir()
	link := h.in("link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	theirs := h.in("corpus") // CONTRACT §6: not the cache's own
	if err := os.Mkdir(theirs, 0o755); err != nil {
		t.Fatal(err)
	}

	for _, tc := range []struct {
		name string
		args []arg
		gone string   // what must not exist afterwards
		stay []string // what must
	}{
		{"a shared path with the default mode keeps the tree", []arg{text(shared)}, "", []string{shared}},
		{"a shared path called isolated keeps the tree", []arg{text(shared), text("isolated")}, "", []string{shared}},
		{"a bare target id deletes nothing", []arg{text("project")}, "", []string{own, cow, shared}},
		{"the parent of the shared path, called shared, deletes nothing", []arg{text(filepath.Dir(shared)), text("shared")}, "", []string{own, cow, shared}},
		{"the parent of the shared path, called isolated, deletes nothing", []arg{text(filepath.Dir(shared)), text("isolated")}, "", []string{own, cow, shared}},
		{"a path outside of the cache", []arg{text(outside), text("isolated")}, "", []string{outside}},
		{"a path that leads out and back in", []arg{text(own + "/../../r1/workspace/../../../../" + filepath.Base(outside))}, "", []string{outside, own}},
		{"a link out of the cache", []arg{text(link)}, "", []string{link, outside}},
		{"the cache itself", []arg{text(h.cache.Dir())}, "", []string{own, shared}},
		{"a directory that the cache did not make", []arg{text(theirs)}, "", []string{theirs}},
		{"a path that nobody knows", []arg{text(h.in("project", "r99", "workspace"))}, "", []string{own}},
		{"no argument", nil, "", []string{own}},
		{"null", []arg{null}, "", []string{own}},
		{"an empty path", []arg{text("")}, "", []string{own}},
		{"a number", []arg{{Data: "1"}}, "", []string{own}},
		{"bytes", []arg{{Encoding: "binary/plain", Data: blob(own)}}, "", []string{own}},
		{"a mode of the wrong type is nobody's business", []arg{text(mine), {Data: "[]"}}, mine, []string{own}},
		{"an isolated path with its mode", []arg{text(own), text("isolated")}, own, []string{cow, shared}},
		{"an isolated path once more", []arg{text(own), text("isolated")}, own, []string{cow, shared}},
		{"a copy-on-write path called shared", []arg{text(cow), text("shared")}, cow, []string{h.in("project", "shared"), shared}},
		{"one object holds the arguments", []arg{{Data: `{"target_path":"` + blob(get("r5", "isolated")) + `"}`}}, h.in("project", "r5"), []string{shared}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, _, err := h.call(activities.CleanupCacheName, tc.args...)
			if err != nil {
				t.Fatalf("a cleanup failed a workflow: %v", err)
			}
			if a.Encoding != "binary/null" {
				t.Errorf("the result is %+v, want null", a)
			}
			if tc.gone != "" && exists(tc.gone) {
				t.Errorf("%s is still there", tc.gone)
			}
			for _, p := range tc.stay {
				if !exists(p) {
					t.Errorf("%s is gone", p)
				}
			}
		})
	}
	if !strings.Contains(h.log.String(), "Skipping cleanup for shared workspace") {
		t.Error(`the log does not say "Skipping cleanup for shared workspace"`)
	}
}

func TestCleanupCacheSucceedsWhereTheDiskFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	h := open(t, options{cache: func(c activities.Cache) activities.Cache { return brokenCache{c, &broken} }})
	a, _, err := h.call(activities.CleanupCacheName, text(h.in("project", "r", "workspace")))
	if err != nil || a.Encoding != "binary/null" {
		t.Errorf("got %+v, %v; want null and no error", a, err)
	}
	if !strings.Contains(h.log.String(), "input/output error") {
		t.Error("the log does not say what failed")
	}
}

// A run that took a shared workspace under a run id of its own making still ends
// its hold: the engine is told which execution called.
func TestCleanupCacheEndsTheCallingRunsHold(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.put("project", map[string]string{"a.txt": "a"})
	run := h.start("HoldAndReleaseWorkflow", nil, call{Args: []arg{text("project"), text("my-own-name"), text("shared")}})
	if err := h.wait(run, nil); err != nil {
		t.Fatal(err)
	}
	entries, err := h.cache.Entries()
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || len(entries[0].Holders) != 0 {
		t.Errorf("entries %+v, want one that nobody holds", entries)
	}
	// Without the cleanup it is held, by the run's owner.
	run = h.start("CallWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project"), text("other"), text("shared")}})
	if err := h.wait(run, nil); err != nil {
		t.Fatal(err)
	}
	entries, err = h.cache.Entries()
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || len(entries[0].Holders) != 1 {
		t.Fatalf("entries %+v, want one with one holder", entries)
	}
	owner := entries[0].Holders[0].Owner
	if owner.Cluster == "" || owner.Namespace != server().GetDefaultNamespace() || owner.WorkflowID != run.GetID() ||
		owner.RunID != run.GetRunID() || owner.FirstRunID != run.GetRunID() {
		t.Errorf("the hold's owner is %+v", owner)
	}
}
