package workspace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/workspace"
)

// onDisk has the cache on a small disk of its own, and a limit that does not matter.
func onDisk(t *testing.T, fs string, size int64, minFree cordon.Size, extra ...string) *bench {
	disk := loopfs.New(t, fs, size, extra...)
	return newBench(t, func(o *workspace.Options) {
		o.Dir, o.MaxSize = filepath.Join(disk, "cache"), cordon.BytesOf(cordon.TB)
		o.MinFree, o.FillDisk = minFree, minFree.IsZero()
	})
}

func (b *bench) usage() workspace.Usage {
	b.t.Helper()
	u, err := b.cache.Usage()
	must(b.t, err)
	return u
}

func TestMinFree(t *testing.T) {
	const mb = 1 << 20

	t.Run("what would leave less free is NoSpace before the download, with the numbers and who holds the most", func(t *testing.T) {
		b := onDisk(t, "tmpfs", 32*mb, cordon.BytesOf(16*mb))
		b.put("A", random(1, 8*mb))
		b.put("B", random(2, 9*mb))
		b.get("A", "R", cordon.Isolated)
		opens := b.store.opens.Load()
		mustBeKind(t, b.getErr("B", "R2", cordon.Isolated), cordon.NoSpace, "16.8 MB", "CACHE_MIN_FREE", "8.39 MB by run R", "9.44 MB")
		if b.store.opens.Load() != opens {
			t.Error("it was downloaded all the same")
		}
		b.mustBeTidy()
		b.cleanup(b.path("A/R/target"), "R")
		b.get("B", "R2", cordon.Isolated)
		if u := b.usage(); u.MinFree != 16*mb || u.DiskFree < u.MinFree {
			t.Errorf("usage = %+v", u)
		}
	})

	t.Run("what nobody holds goes for it, and is waited for: it goes once", func(t *testing.T) {
		b := onDisk(t, "ext4", 64*mb, cordon.BytesOf(20*mb))
		for _, id := range []string{"A", "B", "C", "D"} {
			b.put(id, random(id[0], 8*mb))
		}
		for _, id := range []string{"A", "B", "C"} {
			b.cleanup(b.get(id, "R", cordon.Shared).Path, "R")
			b.pass(time.Minute)
		}
		b.get("D", "R", cordon.Isolated)
		mustBeGone(t, b.path("A"))
		mustExist(t, b.path("B/target"))
		if u := b.usage(); u.DiskFree < u.MinFree {
			t.Errorf("%d bytes are free, %d should be", u.DiskFree, u.MinFree)
		}
		b.mustBeTidy()
	})

	t.Run("inodes count as bytes do", func(t *testing.T) {
		b := onDisk(t, "tmpfs", 32*mb, cordon.BytesOf(mb), "nr_inodes=2200")
		many := tree{}
		for i := range 700 {
			many[name("file-%d", i)] = "x"
		}
		b.put("A", many.tarball(t))
		b.cleanup(b.get("A", "R", cordon.Shared).Path, "R")
		b.get("A", "R2", cordon.Isolated) // beside the shared tree
		b.get("A", "R3", cordon.Isolated) // instead of it
		mustBeGone(t, b.path("A/workspace"))
		mustBeKind(t, b.getErr("A", "R4", cordon.Isolated), cordon.NoSpace, "inodes", "CACHE_MIN_FREE")
		b.mustBeTidy()
		if u := b.usage(); u.InodesTotal == 0 || u.InodesFree < u.MinFreeInodes || u.RecordedInodes < 1400 {
			t.Errorf("usage = %+v", u)
		}
	})

	t.Run("a sweep gives the disk back what is to stay free", func(t *testing.T) {
		b := onDisk(t, "tmpfs", 32*mb, cordon.BytesOf(mb))
		for _, id := range []string{"A", "B"} {
			b.put(id, random(id[0], 8*mb))
			b.cleanup(b.get(id, "R", cordon.Shared).Path, "R")
			b.pass(time.Minute)
		}
		stranger := filepath.Join(filepath.Dir(b.opts.Dir), "stranger")
		must(t, os.WriteFile(stranger, random(9, 15*mb+mb/2), 0o644))
		report := b.sweep()
		if len(report.Removals) != 1 || !strings.Contains(report.Removals[0].Reason, "CACHE_MIN_FREE") {
			t.Errorf("report = %+v", report)
		}
		mustBeGone(t, b.path("A"))
		mustExist(t, b.path("B/target"))
		mustExist(t, stranger)
	})

	t.Run("where nothing more can be made, an entry of few files is enough", func(t *testing.T) {
		b := onDisk(t, "tmpfs", 32*mb, cordon.Size{}, "nr_inodes=400")
		few := tree{"blob": string(random(1, 8*mb))}
		for i := range 30 {
			few[name("file-%d", i)] = "x"
		}
		b.put("A", few.tarball(t))
		b.put("B", []byte("small"))
		b.cleanup(b.get("A", "R", cordon.Shared).Path, "R")
		b.mustBeTidy()
		// The object is gone, and of inodes and bytes nothing is left.
		must(t, os.Remove(b.path("A/target")))
		stranger := filepath.Join(filepath.Dir(b.opts.Dir), "stranger")
		must(t, os.Mkdir(stranger, 0o755))
		fill(t, stranger)
		b.get("B", "R", cordon.Isolated)
		mustBeGone(t, b.path("A/workspace"))
	})

	t.Run("by default it is a twentieth", func(t *testing.T) {
		b := onDisk(t, "tmpfs", 40*mb, cordon.Size{})
		if u := b.usage(); u.MinFree != 0 {
			t.Errorf("with FillDisk: %+v", u)
		}
		b.opts.FillDisk = false
		b.cache = b.open()
		if u := b.usage(); u.MinFree != 2*mb || u.MinFreeInodes != min(u.InodesTotal/20, 100_000) {
			t.Errorf("usage = %+v", u)
		}
	})
}

func TestNothingIsEvictedInVain(t *testing.T) {
	const mb = 1 << 20
	b := newBench(t, limited(6*mb))
	for _, id := range []string{"A", "B", "C"} {
		b.put(id, random(id[0], 2*mb))
		b.cleanup(b.get(id, "R", cordon.Shared).Path, "R")
		b.pass(time.Minute)
	}
	// Somebody works with B at this moment: then A and C alone are not enough.
	root, err := os.OpenRoot(b.opts.Dir)
	must(t, err)
	defer root.Close()
	lock, err := flock.Try(root, ".cordon/locks/"+keyOf("content", "B", b.entries()["B/target"].ETag, "auto"), flock.Shared)
	must(t, err)
	b.put("D", random(4, 6*mb))
	mustBeKind(t, b.getErr("D", "R", cordon.Isolated), cordon.NoSpace)
	for _, id := range []string{"A", "B", "C"} {
		mustExist(t, b.path(id+"/target"))
	}
	lock.Unlock()
	b.get("D", "R", cordon.Isolated)
}

// fill takes every byte and every inode of the disk that dir is on.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "bytes"))
	must(t, err)
	defer f.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	for i := 0; ; i++ {
		f, err := os.Create(filepath.Join(dir, name("inode-%d", i)))
		if err != nil {
			break
		}
		f.Close()
	}
}
