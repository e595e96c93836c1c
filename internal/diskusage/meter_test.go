package diskusage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/diskusage"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// below measures what is below path.
func below(tb testing.TB, path string, since int64) diskusage.Meter {
	tb.Helper()
	m := diskusage.Meter{Since: since}
	d, err := os.Open(path)
	must(tb, err)
	defer d.Close()
	must(tb, m.Below(context.Background(), d))
	return m
}

// du is what du(1) says of path, without path itself.
func du(tb testing.TB, path string) (bytes, inodes int64) {
	tb.Helper()
	ask := func(args ...string) int64 {
		out, err := exec.Command("du", append(args, "-xs", path)...).Output()
		must(tb, err)
		n, err := strconv.ParseInt(strings.Fields(string(out))[0], 10, 64)
		must(tb, err)
		return n
	}
	var st unix.Stat_t
	must(tb, unix.Lstat(path, &st))
	return ask("--block-size=1") - st.Blocks*512, ask("--inodes") - 1
}

func mustBeAsDu(tb testing.TB, path string) diskusage.Meter {
	tb.Helper()
	m := below(tb, path, 0)
	bytes, inodes := du(tb, path)
	if m.Bytes != bytes || m.Inodes != inodes || m.Skipped != 0 {
		tb.Errorf("%s: %d bytes, %d inodes, %d skipped; du says %d and %d", path, m.Bytes, m.Inodes, m.Skipped, bytes, inodes)
	}
	return m
}

func write(tb testing.TB, path string, n int) {
	tb.Helper()
	must(tb, os.MkdirAll(filepath.Dir(path), 0o755))
	must(tb, os.WriteFile(path, make([]byte, n), 0o644))
}

// deep makes a chain of n directories in dir, with a file in every hundredth and
// something to be read after the chain at each level.
func deep(tb testing.TB, dir string, n int) {
	tb.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(tb, err)
	for i := range n {
		must(tb, unix.Mkdirat(fd, "d", 0o755))
		if i%100 == 0 {
			must(tb, unix.Mkdirat(fd, "e", 0o755))
			f, err := unix.Openat(fd, "f", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
			must(tb, err)
			_, err = unix.Write(f, make([]byte, 5000))
			must(tb, err)
			unix.Close(f)
		}
		next, err := unix.Openat(fd, "d", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(tb, err)
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
}

func TestMeter(t *testing.T) {
	t.Run("as du, of names, holes, links and odd files", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir+"/a/one", 10_000)
		write(t, dir+"/a/b/two", 1)
		write(t, dir+"/empty", 0)
		must(t, os.Link(dir+"/a/one", dir+"/a/b/one again"))
		must(t, os.Link(dir+"/a/one", dir+"/one more"))
		must(t, os.Symlink("/", dir+"/a/root"))
		must(t, os.Symlink(strings.Repeat("x", 500), dir+"/a/long"))
		must(t, unix.Mkfifo(dir+"/fifo", 0o644))
		must(t, os.WriteFile(dir+"/sparse", nil, 0o644))
		must(t, os.Truncate(dir+"/sparse", 1<<40))
		for i := range 600 { // more than one reading
			write(t, fmt.Sprintf("%s/many/%s%d", dir, strings.Repeat("n", 60), i), 1)
			must(t, os.MkdirAll(fmt.Sprintf("%s/many/d%d", dir, i), 0o755))
		}
		if m := mustBeAsDu(t, dir); m.Bytes < 600*4096 || m.Bytes > 1<<30 {
			t.Errorf("%d bytes", m.Bytes)
		}
	})

	t.Run("a file with several names counts once over all that a meter is shown", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir+"/a/f", 100_000)
		must(t, os.Mkdir(dir+"/b", 0o755))
		must(t, os.Link(dir+"/a/f", dir+"/b/f"))
		d, err := os.Open(dir)
		must(t, err)
		defer d.Close()
		var m diskusage.Meter
		must(t, m.Add(t.Context(), d, "a"))
		must(t, m.Add(t.Context(), d, "b"))
		must(t, m.Add(t.Context(), d, "missing"))
		if bytes, inodes := du(t, dir); m.Bytes != bytes || m.Inodes != inodes {
			t.Errorf("%d bytes, %d inodes; du says %d and %d", m.Bytes, m.Inodes, bytes, inodes)
		}
		var file diskusage.Meter
		must(t, file.Add(t.Context(), d, "a/f"))
		if file.Inodes != 1 || file.Bytes < 100_000 || file.Bytes > 110_000 {
			t.Errorf("of a file: %+v", file)
		}
	})

	t.Run("only what changed since a time", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir+"/old", 1<<20)
		write(t, dir+"/sub/grows", 1<<20)
		must(t, os.Rename(dir+"/old", dir+"/older")) // so that the time is that of the last change
		var st unix.Stat_t
		must(t, unix.Lstat(dir+"/older", &st))
		since := st.Ctim.Nano()
		if m := below(t, dir, since); m.Bytes != 0 || m.Inodes != 3 {
			t.Fatalf("before any change: %+v", m)
		}
		for changed := false; !changed; { // the kernel's clock of files ticks every few milliseconds
			write(t, dir+"/sub/grows", 2<<20)
			must(t, unix.Lstat(dir+"/sub/grows", &st))
			changed = st.Ctim.Nano() > since
		}
		if m := below(t, dir, since); m.Bytes != st.Blocks*512 {
			t.Errorf("%d bytes, want the changed file's %d", m.Bytes, st.Blocks*512)
		}
	})

	t.Run("nothing below a mount, and nothing of a file that is mounted", func(t *testing.T) {
		dir, other := mountstest.Dir(t), t.TempDir()
		write(t, other+"/big", 1<<20)
		write(t, dir+"/file", 1)
		must(t, os.Mkdir(dir+"/mnt", 0o755))
		before := below(t, dir, 0)
		if err := unix.Mount(other, dir+"/mnt", "", unix.MS_BIND, ""); err != nil {
			t.Skipf("needs the right to mount: %v", err)
		}
		must(t, unix.Mount(other+"/big", dir+"/file", "", unix.MS_BIND, ""))
		if m := below(t, dir, 0); m.Bytes > before.Bytes || m.Inodes != before.Inodes-2 || m.Skipped != 0 {
			t.Errorf("%+v, and %+v without the mounts", m, before)
		}
		d, err := os.Open(dir)
		must(t, err)
		defer d.Close()
		var m diskusage.Meter
		must(t, m.Add(t.Context(), d, "mnt"))
		must(t, m.Add(t.Context(), d, "file"))
		if m.Inodes != 3 || m.Bytes < 2<<20 {
			t.Errorf("named itself, a mount is measured: %+v", m)
		}
	})

	t.Run("what cannot be read is skipped, and counted itself", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir+"/closed/file", 1<<20)
		write(t, dir+"/open/file", 1<<16)
		must(t, os.Chmod(dir+"/closed", 0))
		t.Cleanup(func() { os.Chmod(dir+"/closed", 0o755) })
		must(t, os.Chmod(filepath.Dir(dir), 0o755))
		asNobody(t, func() {
			m := below(t, dir, 0)
			if m.Skipped != 1 || m.Inodes != 3 || m.Bytes < 1<<16 || m.Bytes >= 1<<20 {
				t.Errorf("%+v", m)
			}
		})
	})

	t.Run("a context that is done stops it, with what was seen", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir+"/a/b/f", 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		cancel(why)
		d, err := os.Open(dir)
		must(t, err)
		defer d.Close()
		var m diskusage.Meter
		if err := m.Below(ctx, d); !errors.Is(err, why) {
			t.Fatal(err)
		}
	})
}

// asNobody runs f with the file-system rights of a user who has none, on this
// thread alone.
func asNobody(t *testing.T, f func()) {
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		const nobody = 65534
		if _, err := unix.SetfsuidRetUid(nobody); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

func TestDepth(t *testing.T) {
	dir := loopfs.New(t, "tmpfs", 1<<30, "nr_inodes=400000")
	must(t, os.Mkdir(dir+"/tree", 0o755))
	const levels = 100_000
	deep(t, dir+"/tree", levels)
	var most atomic.Int64
	base := descriptors(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				most.Store(max(most.Load(), descriptors(t)-base))
			}
		}
	}()
	begin := time.Now()
	m := below(t, dir+"/tree", 0)
	t.Logf("%d levels in %v, %d descriptors at most", levels, time.Since(begin), most.Load())
	close(stop)
	<-stopped
	if want := int64(levels + 2*levels/100); m.Inodes != want || m.Skipped != 0 || m.Bytes != levels/100*8192 {
		t.Errorf("%+v, want %d inodes, %d bytes", m, want, levels/100*8192)
	}
	// The list of descriptors needs one itself.
	if most.Load() > 32+2 {
		t.Errorf("%d descriptors", most.Load())
	}
}

func descriptors(t *testing.T) int64 {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Error(err)
	}
	return int64(len(all))
}

// A directory that is moved away under the walk takes what is above it along: the
// walk gives that up, and goes on at the top.
func TestMovedAway(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/tree", 0o755))
	deep(t, dir+"/tree", 200)
	must(t, os.Mkdir(dir+"/elsewhere", 0o755))
	whole := below(t, dir+"/tree", 0)
	half := dir + "/tree" + strings.Repeat("/d", 100)

	// Each check of the context is a step of the walk.
	for _, at := range []int{150, 250, 350} {
		steps := 0
		ctx := stepping{t.Context(), func() {
			if steps++; steps == at {
				must(t, os.Rename(half, dir+"/elsewhere/d"))
			}
		}}
		d, err := os.Open(dir + "/tree")
		must(t, err)
		var m diskusage.Meter
		must(t, m.Below(ctx, d))
		d.Close()
		if steps < at {
			t.Fatalf("the walk took %d steps only", steps)
		}
		if m.Inodes > whole.Inodes || m.Inodes < 50 {
			t.Errorf("moved at step %d: %+v of %+v", at, m, whole)
		}
		t.Logf("moved at step %d: %+v of %+v", at, m, whole)
		must(t, os.Rename(dir+"/elsewhere/d", half))
	}
}

// stepping is a context that does something whenever it is asked.
type stepping struct {
	context.Context
	step func()
}

func (s stepping) Err() error { s.step(); return s.Context.Err() }

// Nothing that a run does to its tree meanwhile is an error, or leads out of it.
func TestRestless(t *testing.T) {
	top := t.TempDir()
	dir := top + "/tree"
	for i := range 20 {
		write(t, fmt.Sprintf("%s/%d%s/f", dir, i, strings.Repeat("/d", 60)), 10)
	}
	write(t, top+"/outside/huge", 64<<20)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for i := w; ctx.Err() == nil; i++ {
				from := fmt.Sprintf("%s/%d%s", dir, i%20, strings.Repeat("/d", i%60))
				// Whatever fails, fails: it is there to disturb.
				_ = os.Rename(from, dir+"/moved")
				_ = os.Symlink(top+"/outside", from)
				_ = os.Remove(from)
				_ = os.Rename(dir+"/moved", from)
				_ = os.RemoveAll(dir + "/moved")
			}
		})
	}
	n := 0
	for ; ctx.Err() == nil; n++ {
		d, err := os.Open(dir)
		must(t, err)
		var m diskusage.Meter
		if err := m.Below(t.Context(), d); err != nil {
			t.Error(err)
		}
		d.Close()
		if m.Bytes > 60<<20 {
			t.Fatalf("it was led out of the tree: %+v", m)
		}
	}
	wg.Wait()
	t.Logf("measured %d times", n)
}

func TestSubvolumesCount(t *testing.T) {
	dir := loopfs.New(t, "btrfs", 200<<20)
	btrfs, err := exec.LookPath("btrfs")
	if err != nil {
		t.Skip("subvolumes need btrfs-progs: ", err)
	}
	must(t, os.Mkdir(dir+"/tree", 0o755))
	must(t, exec.Command(btrfs, "subvolume", "create", dir+"/tree/v").Run())
	write(t, dir+"/tree/v/f", 1<<20)
	write(t, dir+"/tree/f", 1<<16) // may have the inode number of the other
	if m := below(t, dir+"/tree", 0); m.Bytes != 1<<20+1<<16 || m.Inodes != 3 || m.Skipped != 0 {
		t.Errorf("%+v", m)
	}
}

func BenchmarkBelow(b *testing.B) {
	dir := b.TempDir()
	const files = 100_000
	for i := range files {
		write(b, fmt.Sprintf("%s/%d/%d/file%d", dir, i/1000, i/20%50, i), i%3*1000)
	}
	b.Run("files=100000", func(b *testing.B) {
		for b.Loop() {
			if m := below(b, dir, 0); m.Inodes < files {
				b.Fatal(m)
			}
		}
	})
	b.Run("du", func(b *testing.B) {
		for b.Loop() {
			must(b, exec.Command("du", "-s", dir).Run())
		}
	})
}
