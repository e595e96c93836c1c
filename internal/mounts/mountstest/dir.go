// Package mountstest gives tests directories in which something gets mounted.
package mountstest

import (
	"errors"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// patience is how long an unmount is tried again that the kernel says is in use: a
// process that another test starts has every descriptor of this one until it
// executes its program, which takes a while on a busy machine.
const patience = 10 * time.Second

// Dir is t.TempDir for a directory that caches are made in: before it is removed,
// what runs that were not cleaned up left mounted there is unmounted.
func Dir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		if err := unmountBelow(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// UnmountBelow takes away every mount below dir, as a restart of the machine does.
func UnmountBelow(t testing.TB, dir string) {
	t.Helper()
	if err := unmountBelow(dir); err != nil {
		t.Fatal(err)
	}
}

func unmountBelow(dir string) error {
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := mounts.UnmountBelow(dir)
		if !errors.Is(err, mounts.ErrBusy) || time.Since(begin) > patience {
			return err
		}
	}
}
