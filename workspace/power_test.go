package workspace_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
)

// A note on the disk that an entry is settled tells the truth: the entry is whole
// after a power failure in that very instant.
func TestPowerFailure(t *testing.T) {
	for _, fs := range []string{"ext4", "xfs"} {
		t.Run(fs, func(t *testing.T) {
			t.Setenv("TMPDIR", loopfs.New(t, "xfs", 1<<30)) // for Crash
			b := newBench(t, by(t, "copy!"), on(t, fs))
			b.put("T", project.tarball(t))
			for i, m := range modes {
				b.get("T", name("run%d", i), m)
			}
			settled := func() bool {
				all, err := filepath.Glob(b.path(".cordon/settled/[^.]*"))
				must(t, err)
				return len(all) == 4 // the base, too
			}
			for end := time.Now().Add(time.Minute); !settled(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("it takes too long to settle")
				}
			}
			// The names are there an instant before they have reached the disk.
			notes, err := os.Open(b.path(".cordon/settled"))
			must(t, err)
			must(t, errors.Join(notes.Sync(), notes.Close()))
			disk := filepath.Dir(b.opts.Dir)
			left := loopfs.Crash(t, disk)
			t.Cleanup(func() {
				mountstest.UnmountBelow(t, left)
				mountstest.UnmountBelow(t, disk)
			})
			b.opts.Dir = filepath.Join(left, filepath.Base(b.opts.Dir))
			b.reboot()
			for i, m := range modes {
				ws := b.get("T", name("run%d", i), m)
				if !ws.Hit {
					t.Errorf("%s: it is lost: %+v", m, ws)
				}
				mustBeTree(t, ws.Path, project)
			}
		})
	}
}
