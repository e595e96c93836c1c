package workspace_test

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
)

// A sweep that forgets an unreadable record leaves what a run got meanwhile.
func TestForgettingLooksAgain(t *testing.T) {
	needMounts(t)
	for try := range 40 {
		var hook atomic.Pointer[func()]
		var b *bench
		b = newBench(t, func(o *workspace.Options) {
			o.Logger = slog.New(onLog{slog.DiscardHandler, func(msg string) {
				if f := hook.Load(); f != nil && strings.Contains(msg, "cannot remove from cache") {
					hook.Store(nil)
					(*f)()
				}
			}})
		})
		b.put("T", project.tarball(t))
		victim, stuck := name("victim%d", try), name("stuck%d", try)
		b.get("T", victim, cordon.Isolated)
		b.get("T", stuck, cordon.Isolated)
		// A power failure emptied both records; one directory cannot be moved at the moment.
		for _, run := range []string{victim, stuck} {
			must(t, os.Truncate(b.path(".cordon/records/"+keyOf("run", "T", run)+".json"), 0))
		}
		must(t, exec.Command("mount", "-t", "tmpfs", "none", b.path("T/"+stuck)).Run())
		f, err := os.Create(b.path("T/" + stuck + "/used"))
		must(t, err)
		other := b.open()
		var ws workspace.Workspace
		inTime := false
		get := func() {
			if _, err := os.Stat(b.path(".cordon/records/" + keyOf("run", "T", victim) + ".json")); err != nil {
				return // its turn was before the stuck one's: try other names
			}
			inTime = true
			ws, err = other.Get(t.Context(), request("T", victim, cordon.Isolated))
			must(t, err)
		}
		hook.Store(&get)
		b.sweep()
		f.Close()
		mountstest.UnmountBelow(t, b.opts.Dir)
		if !inTime {
			continue
		}
		if _, err := os.Stat(ws.Path); err != nil {
			t.Fatalf("the workspace that a run got during the sweep is gone: %v", err)
		}
		return
	}
	t.Skip("never in the order needed")
}

// Forgetting a base that stood aside leaves the directory for such bases.
func TestForgettingKeepsTheLayout(t *testing.T) {
	b := newBench(t)
	must(t, os.WriteFile(b.path(".cordon/records/aside-0123456789abcdef0123456789abcdef.json"), nil, 0o600))
	b.sweep()
	mustExist(t, b.path(".cordon/bases"))
}

// A process may die between the hold on a base and the view that it is for.
func TestAHoldOfAViewThatWasNeverMade(t *testing.T) {
	b := newBench(t)
	b.put("T", project.tarball(t))
	b.cleanup(b.get("T", "R", cordon.CopyOnWrite).Path, "R")
	base := keyOf("base", "T")
	for _, d := range []string{".cordon/staging/dead/entry", ".cordon/holds/" + base} {
		must(t, os.MkdirAll(b.path(d), 0o700))
	}
	must(t, os.WriteFile(b.path(".cordon/reservations/dead"), nil, 0o600))
	hold := `{"run_id":"R2","entry":"` + keyOf("run", "T", "R2") + `","view":"dead"}`
	file := b.path(".cordon/holds/" + base + "/" + keyOf("run", "dead") + ".json")
	must(t, os.WriteFile(file, []byte(hold), 0o600))
	if h := b.entries()["T/shared/workspace"].Holders; !slices.ContainsFunc(h, func(h workspace.Holder) bool { return h.Run == "R2" }) {
		t.Fatalf("before the sweep: %+v", h)
	}
	b.sweep()
	mustBeGone(t, file)
}

// What a process died over is in nobody's account: whoever is about to write takes
// it away, without waiting for a sweep.
func TestWhatTheDeadWereMakingGoesBeforeOthersWrite(t *testing.T) {
	b := newBench(t)
	b.put("T", project.tarball(t))
	alive := b.path(".cordon/reservations/alive")
	for _, id := range []string{"dead", "alive"} {
		must(t, os.MkdirAll(b.path(".cordon/staging/"+id+"/entry"), 0o700))
		must(t, os.WriteFile(b.path(".cordon/staging/"+id+"/entry/target"), random(1, 1<<20), 0o600))
		must(t, os.WriteFile(b.path(".cordon/reservations/"+id), []byte(`{"id":"`+id+`","bytes":1048576}`), 0o600))
	}
	f, err := os.Open(alive)
	must(t, err)
	defer f.Close()
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	b.get("T", "R", cordon.Isolated)
	mustBeGone(t, b.path(".cordon/staging/dead"))
	mustBeGone(t, b.path(".cordon/reservations/dead"))
	mustExist(t, b.path(".cordon/staging/alive/entry/target"))
	mustExist(t, alive)
}

// Its disk is waited for, and nobody else's goes for it.
func TestWhatTheDeadWereMakingGoesInsteadOfOthers(t *testing.T) {
	const mb = 1 << 20
	for _, swept := range []bool{false, true} {
		b := onDisk(t, "tmpfs", 32*mb, cordon.BytesOf(14*mb))
		b.put("A", random(1, 5*mb))
		b.put("B", random(2, 6*mb))
		b.cleanup(b.get("A", "R", cordon.Shared).Path, "R")
		must(t, os.MkdirAll(b.path(".cordon/staging/dead/entry"), 0o700))
		must(t, os.WriteFile(b.path(".cordon/staging/dead/entry/target"), random(3, 8*mb), 0o600))
		must(t, os.WriteFile(b.path(".cordon/reservations/dead"), []byte(`{"id":"dead","bytes":8388608,"inodes":3}`), 0o600))
		if swept {
			b.sweep()
		}
		b.get("B", "R", cordon.Isolated)
		mustExist(t, b.path("A/target"))
		mustBeGone(t, b.path(".cordon/staging/dead"))
	}
}

// What a living process has reserved may not be readable for an instant: it does not
// count as nothing meanwhile.
func TestAReservationThatCannotBeReadIsWaitedFor(t *testing.T) {
	b := newBench(t)
	b.put("T", project.tarball(t))
	note := b.path(".cordon/reservations/alive")
	must(t, os.WriteFile(note, []byte(`{"id":"ali`), 0o600))
	f, err := os.Open(note)
	must(t, err)
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	defer f.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.cache.Get(ctx, request("T", "R", cordon.Isolated)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
	must(t, f.Close())
	b.get("T", "R", cordon.Isolated)
}

// A process may die over making the cache directory what it is.
func TestAnInterruptedOpenLeavesNothingBesideTheTargets(t *testing.T) {
	b := newBench(t)
	must(t, os.Remove(b.path("CACHEDIR.TAG")))
	var seen []string
	stop := watchNames(t, b.opts.Dir, func(name string) { seen = append(seen, name) })
	b.open()
	stop()
	for _, name := range seen {
		if strings.HasPrefix(name, ".tmp-") {
			t.Errorf("%s was there for an instant, where no sweep looks for such files", name)
		}
	}
	mustExist(t, b.path("CACHEDIR.TAG"))
}

// watchNames tells of every name that appears in dir, until it is stopped.
func watchNames(t *testing.T, dir string, saw func(name string)) (stop func()) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	must(t, err)
	_, err = unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_MOVED_TO)
	must(t, err)
	return func() {
		defer unix.Close(fd)
		buf := make([]byte, 64<<10)
		for {
			n, err := unix.Read(fd, buf)
			if errors.Is(err, unix.EAGAIN) {
				return // all that happened was told
			}
			must(t, err)
			for at := 0; at < n; {
				// inotify(7): wd, mask, cookie, len, and the name, padded with NULs.
				size := int(binary.NativeEndian.Uint32(buf[at+12:]))
				saw(strings.TrimRight(string(buf[at+16:at+16+size]), "\x00"))
				at += 16 + size
			}
		}
	}
}
