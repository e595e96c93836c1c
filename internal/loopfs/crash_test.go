package loopfs_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/loopfs"
)

func TestCrash(t *testing.T) {
	t.Setenv("TMPDIR", loopfs.New(t, "xfs", 1<<30))
	for _, fs := range []string{"ext4", "xfs"} {
		t.Run(fs+": what was synced is there, and what was written since is not", func(t *testing.T) {
			dir := loopfs.New(t, fs, 300<<20)
			write(t, dir+"/synced", "content")
			d, err := os.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := unix.Syncfs(int(d.Fd())); err != nil {
				t.Fatal(err)
			}
			written := time.Now()
			write(t, dir+"/written", "content")
			after := loopfs.Crash(t, dir)
			soon := time.Since(written) < time.Second // before the kernel writes by itself
			if b, err := os.ReadFile(filepath.Join(after, "synced")); err != nil || string(b) != "content" {
				t.Errorf("%q, %v", b, err)
			}
			if b, _ := os.ReadFile(filepath.Join(after, "written")); soon && string(b) == "content" {
				t.Error("what was never synced has survived")
			}
			write(t, after+"/more", "it can be written to")
		})
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
