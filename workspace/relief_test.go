package workspace

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
)

// openWithin opens a cache in a temporary directory, whose store has content as target "t",
// for tests of what callers cannot see.
func openWithin(t *testing.T, content string) (*Cache, cordon.TargetID) {
	t.Helper()
	top := t.TempDir()
	store, err := dir.Open(filepath.Join(top, "store"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := cordon.ParseTargetID("t")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), id, strings.NewReader(content), target.PutOptions{Size: -1}); err != nil {
		t.Fatal(err)
	}
	c, err := Open(Options{Dir: filepath.Join(top, "cache"), Store: store, FillDisk: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, id
}

// idleEntry makes a base that nobody holds, and returns its path.
func idleEntry(t *testing.T, c *Cache, id cordon.TargetID) string {
	t.Helper()
	run, err := cordon.ParseRunID("r")
	if err != nil {
		t.Fatal(err)
	}
	ws, err := c.Get(t.Context(), Request{Target: id, Run: run, Mode: cordon.CopyOnWrite})
	if err == nil {
		_, err = c.Cleanup(t.Context(), ws.Path, Caller{Run: "r"})
	}
	if err != nil {
		t.Fatal(err)
	}
	c.deletions.Wait()                                              // the view holds its base until then
	base := filepath.Join(c.Dir(), id.String(), "shared", "target") // the object, if it is an archive
	if _, err := os.Lstat(base); err != nil {
		t.Fatal(err)
	}
	return base
}

// Nothing goes where the disk lacks nothing by now.
func TestReliefLooksAtTheDiskFirst(t *testing.T) {
	c, id := openWithin(t, "content")
	base := idleEntry(t, c, id)
	for _, tc := range []struct {
		name string
		err  error
		want bool // it makes sense to try again
	}{
		{"somebody else made room", fmt.Errorf("write: %w", unix.ENOSPC), true},
		{"too many mounts", &cordon.Error{Op: "get", Err: &cordon.Error{Op: "mount read-only", Err: unix.ENOSPC}}, false},
	} {
		if got := c.relieve(t.Context(), tc.err); got != tc.want {
			t.Errorf("%s: relieve = %v", tc.name, got)
		}
		if _, err := os.Lstat(base); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
