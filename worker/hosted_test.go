package worker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryLineNamesItsHostAndThoseOfARunTheRun(t *testing.T) {
	opts, log := setup(t)
	mine := filepath.Join(t.TempDir(), "metadata.yaml") // of which it warns before it opens the cache
	if err := os.WriteFile(mine, []byte("name: mine\nvertical: other\nunheard_of: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	opts.Config.WorkflowDirs = []string{filepath.Dir(mine)}
	w := start(t, opts)
	put(t, w, "project", map[string]string{"a.py": "print(1)\n"})
	_, _, r := run(t, "secrets", "SecretDetectionWorkflow", nil, "project")
	w.Stop()

	if len(log.lines("unheard_of")) == 0 {
		t.Error("it does not warn")
	}
	host := " host=" + w.Cache().HostID() + "\n"
	for line := range strings.Lines(log.String()) {
		if !strings.HasSuffix(line, host) {
			t.Errorf("a line should end with the host %s: %s", w.Cache().HostID(), line)
		}
	}
	of := []string{" workflow_id=" + r.GetID(), " run_id=" + r.GetRunID(), " target_id=project"}
	for _, words := range []string{"Cache MISS", "User code downloaded", "Skipping cleanup for shared workspace", "msg=cleanup_cache"} {
		lines := log.lines(words)
		if len(lines) != 1 {
			t.Errorf("%d lines say %q, want 1", len(lines), words)
		}
		for _, line := range lines {
			for _, want := range of {
				if strings.Count(line, want) != 1 {
					t.Errorf("a line should say%s once: %s", want, line)
				}
			}
		}
	}
	for _, line := range log.lines(r.GetID()) {
		if !strings.Contains(line, of[0]) || !strings.Contains(line, of[1]) {
			t.Errorf("a line about the run names it in other words: %s", line)
		}
	}
}
