package rmtree_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/loopfs"
)

// A run makes subvolumes in a snapshot, deeper than a descent goes, with
// directories in them that no rename takes out again.
func TestRemoveSubvolumes(t *testing.T) {
	parent := loopfs.New(t, "btrfs", 200<<20)
	btrfs, err := exec.LookPath("btrfs")
	if err != nil {
		t.Skip("subvolumes need btrfs-progs: ", err)
	}
	dir := parent
	enter := func(name string, mk func(string) error) {
		t.Helper()
		dir = filepath.Join(dir, name)
		must(t, mk(dir))
	}
	plain := func(p string) error { return os.Mkdir(p, 0o755) }
	subvolume := func(p string) error { return exec.Command(btrfs, "subvolume", "create", p).Run() }
	enter("tree", plain)
	for i := range 120 {
		switch {
		case i%50 == 40, i > 100: // far apart, and one in the other
			enter("v", subvolume)
		default:
			enter("d", plain)
		}
	}
	// Deeper than a path goes, all in the innermost subvolume.
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	for range 300 {
		name := strings.Repeat("n", 50)
		must(t, unix.Mkdirat(fd, name, 0o755))
		next, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err)
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
	must(t, remove(t, parent, "tree"))
	mustEmpty(t, parent)
}
