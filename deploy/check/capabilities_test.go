package check

import (
	"slices"
	"testing"
)

// mounting is what a worker that mounts needs: for overlays, and to confine tools in
// full. internal/container has tried it.
var mounting = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_CHROOT"}

func checkCapabilities[T ~string](t *testing.T, who string, added []T) {
	t.Helper()
	var got []string
	for _, c := range added {
		got = append(got, string(c))
	}
	slices.Sort(got)
	if !slices.Equal(got, mounting) {
		t.Errorf("%s mounts with the capabilities %q, want %q", who, got, mounting)
	}
}
