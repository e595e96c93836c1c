package mountstest_test

import (
	"os"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
)

func TestWaitsForWhatIsInUseForAnInstant(t *testing.T) {
	dir := mountstest.Dir(t)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.Mkdir(dir+"/tree", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := mounts.BindReadOnly(root, "tree"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	// A process that is being started has a descriptor in the mount like this one.
	f, err := os.Open(dir + "/tree")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { f.Close() })
	mountstest.UnmountBelow(t, dir)
}
