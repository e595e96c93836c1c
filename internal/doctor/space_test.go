package doctor_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/doctor"
	"github.com/cordonlabs/cordon/internal/loopfs"
)

func TestADiskThatIsFullFails(t *testing.T) {
	dir := loopfs.New(t, "tmpfs", 20<<20)
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 19<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	want(t, one(t, onCache(t, dir), "free space"), doctor.Fail, "1.05 MB of 21.0 MB free", "free disk space")
}

func TestALimitAboveTheDiskFails(t *testing.T) {
	e := onCache(t, loopfs.New(t, "tmpfs", 100<<20))
	want(t, one(t, e, "cache limit"), doctor.Fail, "CACHE_MAX_SIZE is 10.0 GB", "the whole disk has 105 MB", "set CACHE_MAX_SIZE")
	e.Config.MaxSize = cordon.BytesOf(50 * cordon.MB)
	want(t, one(t, e, "cache limit"), doctor.OK, "CACHE_MAX_SIZE is 50.0 MB")
}

func TestJudgeSpace(t *testing.T) {
	const GB = cordon.GB
	for _, tt := range []struct {
		name                            string
		total, free, inodes, inodesFree int64
		want                            doctor.Status
		says                            string
	}{
		{"room for everything", 100 * GB, 50 * GB, 1000_000, 900_000, doctor.OK, "50.0 GB of 100 GB free; 900000 of 1000000 inodes"},
		{"a disk that counts no inodes is not out of them", 100 * GB, 50 * GB, 0, 0, doctor.OK, "without a fixed number"},
		{"no bytes", 100 * GB, 0, 1000_000, 900_000, doctor.Fail, "free disk space"},
		{"no inodes, with bytes left", 100 * GB, 50 * GB, 1000_000, 0, doctor.Fail, "more inodes"},
		{"few bytes", 100 * GB, 4 * GB, 1000_000, 900_000, doctor.Warn, "free disk space"},
		{"a small part of a large disk is much", 1000 * GB, 30 * GB, 1000_000, 900_000, doctor.OK, ""},
		{"few inodes", 100 * GB, 50 * GB, 1000_000, 40_000, doctor.Warn, "more inodes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want(t, doctor.JudgeSpace(doctor.Space(tt.total, tt.free, tt.inodes, tt.inodesFree)), tt.want, tt.says)
		})
	}
}

func TestJudgeLimit(t *testing.T) {
	const GB = cordon.GB
	percent, err := cordon.ParseSize("20%")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name             string
		max              cordon.Size
		total, free, has int64
		want             doctor.Status
		says             string
	}{
		{"a limit that the disk has room for", cordon.BytesOf(10 * GB), 100 * GB, 50 * GB, 0, doctor.OK, "50.0 GB are free"},
		{"what the cache has already counts as room", cordon.BytesOf(10 * GB), 100 * GB, 2 * GB, 9 * GB, doctor.OK, "the cache has 9.00 GB"},
		{"others have taken the room", cordon.BytesOf(10 * GB), 100 * GB, 2 * GB, 1 * GB, doctor.Warn, "less than 3.00 GB"},
		{"a limit above the disk", cordon.BytesOf(200 * GB), 100 * GB, 100 * GB, 0, doctor.Fail, "the whole disk has 100 GB"},
		{"a share of the disk is said in bytes too", percent, 100 * GB, 50 * GB, 0, doctor.OK, "20% (20.0 GB)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want(t, doctor.JudgeLimit(tt.max, doctor.Space(tt.total, tt.free, 0, 0), tt.has), tt.want, tt.says)
		})
	}
}
