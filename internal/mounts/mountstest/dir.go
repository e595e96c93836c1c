// Package mountstest gives tests directories in which something gets mounted.
package mountstest

import (
	"testing"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// Dir is t.TempDir for a directory that caches are made in: before it is removed,
// what runs that were not cleaned up left mounted there is unmounted.
func Dir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		if err := mounts.UnmountBelow(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
