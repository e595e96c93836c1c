package container

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mountsBelow returns the mount points below dir in the test's own namespace.
func mountsBelow(t *testing.T, dir string) []string {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var below []string
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			below = append(below, f[4])
		}
	}
	return below
}

// unmountBelow takes off what something that failed has left on the host.
func unmountBelow(t *testing.T, dir string) {
	t.Helper()
	for range 5 { // the innermost one may keep others busy
		for _, m := range mountsBelow(t, dir) {
			_ = unix.Unmount(m, 0) // tried again, and in the end what stays is in somebody's way, who tells
		}
	}
}
