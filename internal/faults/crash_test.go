package faults_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/fsinfo"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
)

// TestPowerFailure looks at what is on the disk at random moments while a process
// gets, cleans up and evicts. Whatever the cache still hands out is complete, byte
// by byte; the rest is a miss; and one sweep leaves nothing of it.
func TestPowerFailure(t *testing.T) {
	for _, fs := range []string{"ext4", "xfs"} {
		t.Run(fs, func(t *testing.T) {
			t.Setenv("TMPDIR", loopfs.New(t, "xfs", 2<<30))
			mnt := loopfs.New(t, fs, 400<<20)
			if fs == "ext4" { // its journal is written every second, not every five
				must(t, unix.Mount("", mnt, "", unix.MS_REMOUNT, "commit=1"))
			}
			s := newSceneIn(t, mnt, "copy")
			s.MaxSize, s.clones = 5<<20, fs == "xfs"
			for i := range worked {
				s.put(workedTarget(i))
			}
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			c := start(t, order{settings: s.settings, Op: opWork, Seed: seed})
			defer c.end()
			_, err := c.in.WriteString("go\n")
			must(t, err)
			if !c.out.Scan() {
				t.Fatalf("it does not work:\n%s", tail(c.said()))
			}
			n, had := *images, 0
			if testing.Short() {
				n = 2
			}
			for i := range n {
				time.Sleep(time.Duration(500+rand.IntN(2500)) * time.Millisecond)
				t.Run(fmt.Sprint(i), func(t *testing.T) { had += s.afterPowerFailure(t, loopfs.Crash(t, mnt)) })
			}
			c.kill()
			if c.out.Scan() {
				t.Error(c.out.Text())
			}
			if said := c.said(); strings.Contains(said, "level=ERROR") || strings.Contains(said, "panic") {
				t.Error(tail(said))
			}
			if had == 0 && n > 2 {
				t.Error("no entry has survived any of them, though some were there for long enough to be synced")
			}
			t.Logf("%d power failures, %d entries survived", n, had)
		})
	}
}

// afterPowerFailure judges what is left at mnt, and returns how many entries the
// cache hands out from before.
func (s *scene) afterPowerFailure(t *testing.T, mnt string) int {
	after := &scene{TB: t, log: &log{}, settings: s.settings, clones: s.clones}
	after.Dir = filepath.Join(mnt, "cache")
	t.Cleanup(func() { mountstest.UnmountBelow(t, mnt) })
	after.reboot()
	c := after.open()
	defer c.Close()
	contents := map[string]tree{}
	for i := range worked {
		id, content := workedTarget(i)
		contents[id] = content
	}
	whole := func(id, path string) {
		t.Helper()
		if diff := contents[id].differs(path); diff != "" {
			t.Error(diff)
		}
	}
	entries, err := c.Entries()
	must(t, err)
	for _, e := range entries {
		whole(e.Target.String(), e.Path)
	}
	t.Logf("%d records, of which %d are handed out", len(after.names(".cordon/records")), len(entries))
	get := func(id, run, mode string) string {
		t.Helper()
		ws, err := c.Get(t.Context(), request(id, run, mode))
		must(t, err)
		whole(id, ws.Path)
		return ws.Path
	}
	for _, mode := range modes { // what was held, and what is new
		get("target-0", "stays-"+mode, mode)
		for id := range contents {
			_, err := c.Cleanup(t.Context(), get(id, "new-"+mode, mode), workspace.Caller{Run: "new-" + mode})
			must(t, err)
		}
	}
	after.mustBeSwept("after the power failure", c)
	if t.Failed() {
		t.Log(after.log.take())
	}
	return len(entries)
}

// reboot makes everything that is recorded look as if it were of an earlier boot.
func (s *scene) reboot() {
	s.Helper()
	boot, err := fsinfo.BootID()
	must(s, err)
	for _, n := range s.names(".cordon/records") {
		file := s.path(".cordon/records/" + n)
		b, err := os.ReadFile(file)
		must(s, err)
		must(s, os.WriteFile(file, bytes.ReplaceAll(b, []byte(boot), []byte("another-boot")), 0o600))
	}
}
