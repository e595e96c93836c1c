package sandbox_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cordonlabs/cordon/sandbox"
)

func TestACommandRunsInItsWorkspace(t *testing.T) {
	ws := t.TempDir()
	r, out := run(t, open(t), sandbox.Command{Workspace: ws, Env: []string{"A=b"}}, "pwd; echo $A; echo made > made; exit 7")
	if r.ExitCode != 7 || r.Signal != 0 || out != ws+"\nb" {
		t.Errorf("%+v, and printed %q", r, out)
	}
	if made, err := os.ReadFile(filepath.Join(ws, "made")); err != nil || string(made) != "made\n" {
		t.Errorf("made %q, %v", made, err)
	}
	if st, err := os.Stat(filepath.Join(ws, "made")); err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		t.Errorf("what it made is not ours: %v, %v", st, err)
	}
}
