package durable_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/internal/durable"
	"github.com/cordonlabs/cordon/internal/loopfs"
)

// What was made durable is there after a power failure in the next instant.
func TestPowerFailure(t *testing.T) {
	content := []byte(strings.Repeat("0123456789abcdef", 1<<12))
	for _, fs := range []string{"ext4", "xfs"} {
		for _, tc := range []struct {
			name string
			keep func(root *os.Root) error
		}{
			{"a file that is written", func(root *os.Root) error { return durable.WriteFile(root, "file", content) }},
			{"a file that was written before", func(root *os.Root) error {
				if err := durable.Replace(root, "file", content); err != nil {
					return err
				}
				return durable.SyncFile(root, "file")
			}},
			{"everything", func(root *os.Root) error {
				if err := durable.Replace(root, "file", content); err != nil {
					return err
				}
				return durable.SyncTree(root, ".")
			}},
		} {
			t.Run(fs+": "+tc.name, func(t *testing.T) {
				t.Setenv("TMPDIR", loopfs.New(t, "xfs", 1<<30)) // for Crash
				mnt := loopfs.New(t, fs, 400<<20)
				root, err := os.OpenRoot(mnt)
				must(t, err)
				defer root.Close()
				must(t, tc.keep(root))
				got, err := os.ReadFile(filepath.Join(loopfs.Crash(t, mnt), "file"))
				if err != nil || string(got) != string(content) {
					t.Errorf("%d bytes are left of %d, %v", len(got), len(content), err)
				}
			})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
