package faults_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/ptrace"
)

// What could not be synced is not believed to be on the disk, and nobody syncs it
// again: the kernel may have dropped what it could not write, and says so once.

func TestFailedSyncOfTheFileSystemSettlesNothing(t *testing.T) {
	s := newScene(t, "copy")
	s.bystanders()
	s.Ahead = 10 * time.Minute // what was made a moment ago is to be settled
	sweep := order{settings: s.settings, Op: opSweep}
	syncs := func(c ptrace.Call) bool { return c.Number == unix.SYS_SYNCFS }
	v, a, _ := strike(t, sweep, ptrace.Strike{Counts: syncs, At: 1, Errno: unix.EIO})
	if !a.Failed || !strings.Contains(a.Text, unix.EIO.Error()) || v.Calls != 1 {
		t.Errorf("%d syncs, error %q", v.Calls, a.Text)
	}
	if settled := s.names(".cordon/settled"); len(settled) > 0 {
		t.Errorf("%d entries are said to be on the disk", len(settled))
	}
	carryOut(t, sweep)
	if settled := s.names(".cordon/settled"); len(settled) != len(s.records()) {
		t.Errorf("%d of %d entries are settled by the next sweep", len(settled), len(s.records()))
	}
}

func TestFailedSyncOfAFileDiscardsIt(t *testing.T) {
	names := []string{".cordon/version", ".cordon/host-id"}
	total := 0
	for at := 0; at <= total; at++ {
		s := newScene(t, "")
		var synced []string
		files := func(c ptrace.Call) bool {
			if c.Number != unix.SYS_FSYNC || !strings.Contains(c.File(0), "/.tmp-") {
				return false
			}
			synced = append(synced, filepath.Base(c.File(0)))
			return true
		}
		v, a, log := strike(t, order{settings: s.settings, Op: opOpen}, ptrace.Strike{Counts: files, At: at, Errno: unix.EIO})
		if at == 0 {
			if total = v.Calls; a.Failed || total != len(names) {
				t.Fatalf("%d syncs of files, error %q\n%s", total, a.Text, log)
			}
			continue
		}
		if !a.Failed || !a.Typed {
			t.Errorf("sync %d fails, and the cache opens: %+v", at, a)
		}
		struck := synced[at-1]
		if again := slices.DeleteFunc(slices.Clone(synced), func(n string) bool { return n != struck }); len(again) > 1 {
			t.Errorf("the file of sync %d was synced %d times", at, len(again))
		}
		published := 0
		for _, n := range names {
			dir, base := filepath.Split(n)
			if slices.Contains(s.names(dir), base) {
				published++
			}
		}
		if published != at-1 {
			t.Errorf("sync %d of %d fails, and %d files have their names", at, total, published)
		}
	}
}
