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

// CONTRACT §8.12: the metadata decides, at the time of the failure, and about the
// run's own workspace alone.
func TestAFailedRunsWorkspaceStaysIfTheMetadataSaysSo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeMetadata(t, folder, "isolated\nkeep_on_failure: true")
	h := open(t, options{catalog: []string{folder}})
	h.put("project", map[string]string{"a.txt": "a"})
	yes, no := arg{Data: "true"}, arg{Data: "false"}
	own := func(run string) string { return h.in("project", run, "workspace") }
	for _, tc := range []struct {
		name  string
		class string // EditedWorkflow's metadata says keep_on_failure
		run   string
		mode  string
		args  func(path string) []arg
		kept  bool
		stays bool
	}{
		{"the run fails", "EditedWorkflow", "r1", "isolated", func(p string) []arg { return []arg{text(p), null, yes} }, true, true},
		{"the run fails, as one object", "EditedWorkflow", "r2", "isolated", func(p string) []arg {
			return []arg{{Data: `{"target_path":"` + blob(p) + `","run_failed":true}`}}
		}, true, true},
		{"the run does not fail", "EditedWorkflow", "r3", "isolated", func(p string) []arg { return []arg{text(p), null, no} }, false, false},
		{"the run says nothing", "EditedWorkflow", "r4", "isolated", func(p string) []arg { return []arg{text(p)} }, false, false},
		{"a third argument of another meaning", "EditedWorkflow", "r5", "isolated", func(p string) []arg { return []arg{text(p), null, text("true")} }, false, false},
		{"another workflow's run fails", "CallWorkflow", "r6", "isolated", func(p string) []arg { return []arg{text(p), null, yes} }, false, false},
		{"the workspace is shared", "EditedWorkflow", "r7", "shared", func(p string) []arg { return []arg{text(p), null, yes} }, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			memo := map[string]any{activities.MemoIsolation: tc.mode}
			path := h.result(h.start(tc.class, memo, call{Activity: activities.GetTargetName, Args: []arg{text("project"), text(tc.run)}}))
			if tc.mode == "isolated" && path != own(tc.run) {
				t.Fatalf("the path is %s", path)
			}
			run := h.start(tc.class, nil, call{Activity: activities.CleanupCacheName, Args: tc.args(path)})
			var a answer
			if err := h.wait(run, &a); err != nil {
				t.Fatalf("a cleanup failed a workflow: %v", err)
			}
			if tc.kept && !strings.HasPrefix(h.path(a, nil), path+" until ") || !tc.kept && a.Encoding != "binary/null" {
				t.Errorf("the result is %+v; kept: %v", a, tc.kept)
			}
			if exists(path) != tc.stays {
				t.Errorf("%s is there: %v", path, exists(path))
			}
		})
	}
	for _, p := range []string{"/etc", h.cache.Dir(), h.in("project", "r99", "workspace")} {
		a := answer{}
		if err := h.wait(h.start("EditedWorkflow", nil, call{Activity: activities.CleanupCacheName, Args: []arg{text(p), null, yes}}), &a); err != nil || a.Encoding != "binary/null" {
			t.Errorf("%s: %+v, %v", p, a, err)
		}
	}
}
