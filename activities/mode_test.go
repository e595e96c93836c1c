package activities_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/activities"
)

// CONTRACT §2: the run's memo, then the metadata, then the argument, then isolated.
func TestWhichModeHolds(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeMetadata(t, folder, "shared")
	h := open(t, options{catalog: []string{folder}})
	h.put("project", map[string]string{"a.txt": "a"})

	const (
		isolated    = "project/RUN/workspace"
		shared      = "project/workspace"
		copyOnWrite = "project/RUN/workspace" // told apart by the base beside it
	)
	for _, tc := range []struct {
		name  string
		class string // EditedWorkflow's metadata says shared
		memo  any
		arg   arg
		want  string
		warns string
	}{
		{"nothing said is isolated", "CallWorkflow", nil, null, isolated, ""},
		{"the argument holds where there is no metadata", "CallWorkflow", nil, text("shared"), shared, ""},
		{"the metadata holds where the argument is missing", "EditedWorkflow", nil, null, shared, ""},
		{"the metadata beats the argument", "EditedWorkflow", nil, text("isolated"), shared, "activity's argument says isolated"},
		{"the metadata and the argument agree", "EditedWorkflow", nil, text("shared"), shared, ""},
		{"the memo beats the metadata", "EditedWorkflow", "isolated", null, isolated, "metadata.yaml's workspace_isolation says shared"},
		{"the memo beats the argument", "CallWorkflow", "shared", text("isolated"), shared, "activity's argument says isolated"},
		{"the memo asks for copy-on-write", "CallWorkflow", "copy-on-write", null, copyOnWrite, ""},
		{"a memo that is no mode counts as none", "CallWorkflow", "everything", text("shared"), shared, "memo"},
		{"a memo that is no text counts as none", "CallWorkflow", 7, text("shared"), shared, "memo"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var memo map[string]any
			if tc.memo != nil {
				memo = map[string]any{activities.MemoIsolation: tc.memo}
			}
			logged := len(h.log.String())
			run := h.start(tc.class, memo, call{Activity: activities.GetTargetName, Args: []arg{text("project"), null, tc.arg}})
			got := h.result(run)
			if want := h.in(strings.ReplaceAll(tc.want, "RUN", run.GetRunID())); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			log := h.log.String()[logged:]
			if warned := strings.Contains(log, "level=WARN"); warned != (tc.warns != "") || !strings.Contains(log, tc.warns) {
				t.Errorf("the log is to warn of %q, and says:\n%s", tc.warns, log)
			}
		})
	}
	if !exists(h.in("project", "shared", "workspace")) {
		t.Error("copy-on-write made no base: it was not the mode")
	}
}

// CONTRACT §7, row 20: editing metadata.yaml is enough, under a running worker.
func TestAnEditOfMetadataChangesTheMode(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeMetadata(t, folder, "isolated")
	h := open(t, options{catalog: []string{folder}})
	h.put("project", map[string]string{"a.txt": "a"})
	get := func() (path, run string) {
		r := h.start("EditedWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project"), text(""), text("isolated")}})
		return h.result(r), r.GetRunID()
	}
	if path, run := get(); path != h.in("project", run, "workspace") {
		t.Errorf("before the edit: %s", path)
	}
	writeMetadata(t, folder, "shared")
	if path, _ := get(); path != h.in("project", "workspace") {
		t.Errorf("after the edit: %s", path)
	}
	if err := os.WriteFile(filepath.Join(folder, "edited", "metadata.yaml"), []byte("name: edited\nworkspace_isolation: shard\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if path, _ := get(); path != h.in("project", "workspace") {
		t.Errorf("after a broken edit the last good one holds: %s", path)
	}
}

// CONTRACT §5: metadata's extract overrides what the content looks like.
func TestMetadataDecidesAboutExtraction(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeMetadata(t, folder, "isolated\nextract: never")
	h := open(t, options{catalog: []string{folder}})
	h.put("project", map[string]string{"a.txt": "a"})
	r := h.start("EditedWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project")}})
	if got := h.result(r); got != h.in("project", r.GetRunID(), "target") {
		t.Errorf("got %s, want the archive as a file", got)
	}
}

// writeMetadata describes EditedWorkflow.
func writeMetadata(t *testing.T, folder, mode string) {
	t.Helper()
	dir := filepath.Join(folder, "edited")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := "name: edited\nvertical: python\nworkflow_class: EditedWorkflow\nworkspace_isolation: " + mode + "\n"
	if err := os.WriteFile(filepath.Join(dir, "metadata.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
