package doctor_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon/internal/doctor"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// tmpfs has neither snapshots nor reflinks.
func TestDriversOnAFileSystemWithoutSnapshots(t *testing.T) {
	for _, tt := range []struct {
		name, setting  string
		choice         doctor.Status
		says           string
		snapshot, copy doctor.Status
	}{
		{"what nothing needs is a warning", "reflink,snapshot,copy", doctor.OK, "copy (CACHE_COW_DRIVER=reflink,snapshot,copy), for want of reflink, snapshot", doctor.Warn, doctor.OK},
		{"what is required is a failure", "snapshot!", doctor.Fail, "CACHE_COW_DRIVER=snapshot!", doctor.Fail, doctor.OK},
		{"one of several that are required is enough", "snapshot,copy!", doctor.OK, "copy (CACHE_COW_DRIVER=snapshot,copy!), for want of snapshot", doctor.Warn, doctor.OK},
		{"the first wish granted needs no excuse", "copy", doctor.OK, "copy (CACHE_COW_DRIVER=copy)", doctor.Warn, doctor.OK},
	} {
		for _, made := range []bool{true, false} {
			t.Run(tt.name, func(t *testing.T) {
				dir := loopfs.New(t, "tmpfs", 64<<20) + "/cache"
				if made {
					makeCacheIn(t, dir)
				}
				e := env(t, map[string]string{"CACHE_DIR": dir, "CACHE_COW_DRIVER": tt.setting})
				report, err := doctor.Only(context.Background(), e, "copy-on-write", "driver snapshot", "driver copy")
				if err != nil {
					t.Fatal(err)
				}
				want(t, report.Checks[0], tt.choice, tt.says)
				want(t, report.Checks[1], tt.snapshot)
				want(t, report.Checks[2], tt.copy)
				if failed := tt.choice == doctor.Fail; report.OK == failed {
					t.Errorf("ok is %v", report.OK)
				}
			})
		}
	}
}

// What can be done on a file system is the drivers' own to know.
func TestDriversAreSaidToWorkWhereTheyDo(t *testing.T) {
	for _, fs := range []string{"btrfs", "ext4"} {
		t.Run(fs, func(t *testing.T) {
			dir := loopfs.New(t, fs, 256<<20)
			e := onCache(t, dir)
			root, err := os.OpenRoot(mkdir(t, filepath.Join(dir, "trial"), 0o755))
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			probed := driver.Probe(root)
			before := everything(t, dir)
			for _, name := range driver.Names {
				status, says := doctor.Warn, ""
				if p := driver.ByName(probed, name); p != nil && p.Err == nil {
					status, says = doctor.OK, "works"
				}
				want(t, one(t, e, "driver "+name), status, says)
			}
			if after := everything(t, dir); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
			inodes := map[string]string{"btrfs": "without a fixed number", "ext4": "inodes free"}[fs]
			want(t, one(t, e, "free space"), doctor.OK, inodes)
			want(t, one(t, e, "file system"), doctor.OK, fs)
		})
	}
}
