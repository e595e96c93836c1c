package workspace_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/workspace"
)

func TestWritableTriesAndLeavesNothing(t *testing.T) {
	b := newBench(t)
	for range 3 {
		if err := b.cache.Writable(); err != nil {
			t.Fatal(err)
		}
	}
	b.mustBeTidy()
	// An emptied cache, or one that is gone, is a miss and no failure (CONTRACT §6).
	if err := os.RemoveAll(b.path(".cordon/staging")); err != nil {
		t.Fatal(err)
	}
	if err := b.cache.Writable(); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(b.opts.Dir); err != nil {
		t.Fatal(err)
	}
	if err := b.cache.Writable(); err != nil {
		t.Error(err)
	}
}

func TestWritableSaysWhyACacheIsNot(t *testing.T) {
	disk := loopfs.New(t, "ext4", 64<<20)
	b := newBench(t, func(o *workspace.Options) { o.Dir = filepath.Join(disk, "cache") })
	full, err := os.Create(filepath.Join(disk, "full"))
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for err == nil {
		_, err = full.Write(make([]byte, 4096))
	}
	if err := b.cache.Writable(); cordon.KindOf(err) != cordon.NoSpace {
		t.Errorf("on a full disk: %v", err)
	}
	if err := os.Truncate(full.Name(), 0); err != nil {
		t.Fatal(err)
	}
	if err := b.cache.Writable(); err != nil {
		t.Errorf("with room again: %v", err)
	}
	b.mustBeTidy()

	if err := full.Close(); err != nil { // no file may be open for writing
		t.Fatal(err)
	}
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Skipf("no read-only mount: %v", err)
	}
	if err := b.cache.Writable(); cordon.KindOf(err) != cordon.PermissionDenied {
		t.Errorf("on a read-only disk: %v", err)
	}
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
}
