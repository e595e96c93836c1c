package driver_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/workspace/driver"
)

func TestWhyThereAreNoReflinksIsSaid(t *testing.T) {
	for _, tc := range []struct {
		fs, want string
		mkfs     []string
	}{
		{"ext4", "ext4 has no reflinks", nil},
		{"tmpfs", "tmpfs has no reflinks", nil},
		{"xfs", "this XFS was made without reflinks", []string{"-m", "reflink=0"}},
	} {
		t.Run(tc.fs, func(t *testing.T) {
			tr := newTrees(t, loopfs.New(t, tc.fs, 512<<20, tc.mkfs...))
			tr.write("base/file", "x")
			job := tr.job("view")
			_, err := driver.Reflink{}.Create(t.Context(), job)
			p := driver.ByName(driver.Probe(job.Dir), "reflink")
			for who, err := range map[string]error{"Create": err, "Probe": p.Err} {
				if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(cordon.FixOf(err), "mkfs.xfs -m reflink=1") {
					t.Errorf("%s says %v; want %q, and what to do", who, err, tc.want)
				}
			}
			if p.Driver != nil {
				t.Error("there is a driver that does not work")
			}
		})
	}
}

func TestAReflinkKeepsHoles(t *testing.T) {
	const size, at = 64 << 20, 32 << 20
	for _, fs := range []string{"xfs", "btrfs"} {
		t.Run(fs, func(t *testing.T) {
			tr := newTrees(t, loopfs.New(t, fs, 512<<20))
			f, err := os.Create(tr.path("base/sparse"))
			tr.must(err)
			_, err = f.WriteAt([]byte(strings.Repeat("x", 1<<16)), at)
			tr.must(err)
			tr.must(f.Truncate(size))
			tr.must(f.Close())
			_, err = driver.Reflink{}.Create(t.Context(), tr.job("view"))
			tr.must(err)
			f, err = os.Open(tr.path("view/sparse"))
			tr.must(err)
			defer f.Close()
			info, err := f.Stat()
			tr.must(err)
			data, err := unix.Seek(int(f.Fd()), 0, unix.SEEK_DATA)
			tr.must(err)
			if blocks := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != size || data != at || blocks > 1<<20 {
				t.Errorf("size %d, first data at %d, %d bytes allocated", info.Size(), data, blocks)
			}
		})
	}
}
