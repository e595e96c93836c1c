package workspace_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// Two attempts of one run beside each other get one path, though the shared path
// becomes free between the two.
func TestTwoAttemptsGetOnePath(t *testing.T) {
	b := newBench(t)
	b.put("T", project.tarball(t))
	old := b.get("T", "X", cordon.Shared)
	b.put("T", tree{"main.py": "new"}.tarball(t))
	b.get("T", "Y", cordon.CopyOnWrite) // so that there is a base of the new version
	janitor, err := os.OpenFile(b.path(".cordon/locks/janitor"), os.O_RDWR, 0)
	must(t, err)
	must(t, unix.Flock(int(janitor.Fd()), unix.LOCK_EX))
	paths := make(chan string, 2)
	attempt := func() {
		c := b.open()
		go func() {
			ws, err := c.Get(t.Context(), request("T", "R", cordon.Shared))
			if err != nil {
				t.Error(err)
			}
			paths <- ws.Path
		}()
	}
	attempt()
	await(t, func() bool { // it makes a tree of its own, for the shared path is X's
		f, err := os.Open(b.path(".cordon/locks/" + keyOf("run", "T", "R")))
		if err != nil {
			return false
		}
		defer f.Close()
		return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
	})
	_, err = b.cache.Cleanup(t.Context(), old.Path, workspace.Caller{Run: "X"})
	must(t, err)
	attempt()
	must(t, janitor.Close())
	if one, two := <-paths, <-paths; one != two {
		t.Errorf("one run has %s and %s", one, two)
	}
}

func await(t *testing.T, is func() bool) {
	t.Helper()
	for !is() {
		if t.Context().Err() != nil {
			t.Fatal("it does not come to that")
		}
	}
}
