package faults_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/fsinfo"
)

// big is more than the stranger leaves, of bytes and of inodes.
var big = func() tree {
	t := tree{"blob": random(3, 6<<20), "d": "dir"}
	for i := range 400 {
		t[fmt.Sprintf("d/file-%03d", i)] = fmt.Sprint(i)
	}
	return t
}()

// What the stranger leaves: enough for a little work, and not for big.
const (
	leftBytes  = 5 << 20
	leftInodes = 200
)

// onEachDisk runs the test on each kind of small disk, where runs work already.
func onEachDisk(t *testing.T, test func(*scene, *disk)) {
	for _, k := range disks {
		t.Run(k.name, func(t *testing.T) {
			d := k.new(t)
			s := newSceneIn(t, d.mnt, "copy")
			s.clones = k.fs == "xfs" || k.fs == "btrfs"
			s.bystanders()
			s.put(wanted, big)
			s.versions = []tree{big}
			test(s, d)
			s.mustBeUnhurt()
		})
	}
}

// TestMoreThanFits is row 18 of the contract's table: NoSpace, the others unharmed,
// nothing left, and it goes on when there is room.
func TestMoreThanFits(t *testing.T) {
	onEachDisk(t, func(s *scene, d *disk) {
		d.leave(leftBytes, leftInodes)
		for _, mode := range modes {
			before := s.listing()
			s.mustFail(mode, mustAnswer(s, start(s, order{settings: s.settings, Op: opGet, Target: wanted, Run: runner, Mode: mode})))
			if after := s.listing(); before != after {
				s.Errorf("%s: before the call there were\n%s\nand afterwards\n%s", mode, before, after)
			}
		}
		d.free()
		for _, mode := range modes {
			a := carryOut(s, order{settings: s.settings, Op: opGet, Target: wanted, Run: runner + mode, Mode: mode})
			if diff := s.incomplete(a.Path); diff != "" {
				s.Error(diff)
			}
			s.cleanup(a.Path, runner+mode)
		}
		s.mustBeClean()
	})
}

// TestStrangerFillsTheDiskInTheMiddle stops a process while it extracts.
func TestStrangerFillsTheDiskInTheMiddle(t *testing.T) {
	onEachDisk(t, func(s *scene, d *disk) {
		for _, mode := range modes {
			before := s.listing()
			c := start(s, order{settings: s.settings, Op: opGet, Target: wanted, Run: runner, Mode: mode})
			defer c.end() // before its disk goes, whatever happens
			_, err := c.in.WriteString("go\n")
			must(s, err)
			for begun := false; !begun; {
				files, err := filepath.Glob(s.path(".cordon/staging/*/entry/workspace/d/file-0*"))
				must(s, err)
				done, err := filepath.Glob(s.path(wanted + "/*"))
				must(s, err)
				begun = len(files) > 0 || len(done) > 0
			}
			must(s, unix.Kill(c.pid, unix.SIGSTOP))
			d.fill()
			must(s, unix.Kill(c.pid, unix.SIGCONT))
			if a := readAnswer(s, c); a.Failed { // on a quick machine it was through already
				s.mustFail(mode, a)
			} else if diff := s.incomplete(a.Path); diff != "" {
				s.Error(diff)
			} else {
				s.cleanup(a.Path, runner)
			}
			c.end()
			s.mustBeUnhurt()
			d.free()
			s.clear()
			if after := s.listing(); before != after {
				s.Errorf("%s: before the call there were\n%s\nand afterwards\n%s", mode, before, after)
			}
			s.cleanup(s.get(wanted, runner, mode), runner)
			s.clear()
		}
		s.mustBeClean()
	})
}

// TestFullDiskIsNoReasonToKeepAnything: what frees the disk must not need any.
func TestFullDiskIsNoReasonToKeepAnything(t *testing.T) {
	onEachDisk(t, func(s *scene, d *disk) {
		if d.tree {
			s.Skip("btrfs needs room of its own even to rename what is to go: only CACHE_MIN_FREE keeps some")
		}
		own := s.get(wanted, runner, "isolated")
		s.cleanup(s.get(wanted, other, "shared"), other)
		for _, f := range []string{".cordon/staging/dead/entry/workspace/half", ".cordon/trash/taken/file"} {
			must(s, os.MkdirAll(filepath.Dir(s.path(f)), 0o755))
			must(s, os.WriteFile(s.path(f), []byte(random(5, 1<<20)), 0o644))
		}
		empty := d.space()
		d.fill()
		used := func(what string, freed, inodes int64) {
			s.Helper()
			now := d.space()
			if !d.inodes && now.Free < freed || d.inodes && now.FreeInodes < inodes {
				s.Errorf("%s has freed %d bytes and %d inodes, want %d and %d", what, now.Free, now.FreeInodes, freed, inodes)
			}
		}
		s.cleanup(own, runner)
		used("cleaning up a run", 11<<20, 400)
		mustNotBeThere(s, own)
		d.fill()
		carryOut(s, order{settings: s.settings, Op: opSweep})
		mustNotBeThere(s, s.path(".cordon/staging/dead"))
		mustNotBeThere(s, s.path(".cordon/trash/taken"))
		d.fill()
		// Somebody needs what nobody holds.
		s.put("modest", tree{"blob": random(9, 2<<20)})
		s.versions = []tree{{"blob": random(9, 2<<20)}}
		a := carryOut(s, order{settings: s.settings, Op: opGet, Target: "modest", Run: runner, Mode: "isolated"})
		if diff := s.incomplete(a.Path); diff != "" {
			s.Error(diff)
		}
		s.mustBeUnhurt()
		d.free()
		s.cleanup(a.Path, runner)
		if now := d.space(); now.Free < empty.Free {
			s.Errorf("%d bytes are free, and were %d", now.Free, empty.Free)
		}
		s.mustBeClean()
	})
}

// TestRaceForTheLastRoom has several processes want what only some can have.
func TestRaceForTheLastRoom(t *testing.T) {
	const racers = 5
	onEachDisk(t, func(s *scene, d *disk) {
		if d.tree {
			s.Skip("btrfs needs room of its own even to give up what did not fit: only CACHE_MIN_FREE keeps some")
		}
		d.leave(2*13<<20+1<<20, 2*410+100) // the object and the tree, for two of them
		var all []*child
		for i := range racers {
			all = append(all, start(s, order{settings: s.settings, Op: opGet, Target: wanted, Run: fmt.Sprintf("%s-%d", runner, i), Mode: "isolated"}))
		}
		for _, c := range all {
			_, err := c.in.WriteString("go\n")
			must(s, err)
		}
		won := 0
		for i, c := range all {
			a := readAnswer(s, c)
			c.end()
			if a.Failed {
				s.mustFail(fmt.Sprintf("racer %d", i), a)
				continue
			}
			won++
			if diff := s.incomplete(a.Path); diff != "" {
				s.Error(diff)
			}
		}
		if won == racers {
			s.Error("all have got it")
		}
		s.Logf("%d of %d have got it", won, racers)
		if won == 0 { // each was in the others' way; alone, there is room enough
			s.get(wanted, runner, "isolated")
		}
		s.mustBeUnhurt()
		d.free()
		s.clear()
		s.mustBeClean()
	})
}

// TestMinimumFree: what the cache writes never takes what is to stay free, and who
// cannot have room is told before anything is downloaded.
func TestMinimumFree(t *testing.T) {
	onEachDisk(t, func(s *scene, d *disk) {
		if d.inodes {
			s.Skip("CACHE_MIN_FREE counts bytes")
		}
		const room = 8 << 20 // for the object, and not for the tree beside it
		s.MinFree = d.space().Free - room
		lowest := s.MinFree + room
		c := start(s, order{settings: s.settings, Op: opGet, Target: wanted, Run: runner, Mode: "isolated"})
		_, err := c.in.WriteString("go\n")
		must(s, err)
		got := make(chan answer)
		go func() { got <- readAnswer(s, c) }()
		var a answer
		for waiting := true; waiting; {
			select {
			case a = <-got:
				waiting = false
			case <-time.After(time.Millisecond):
				now, err := fsinfo.SpaceAt(d.mnt)
				must(s, err)
				lowest = min(lowest, now.Free)
			}
		}
		c.end()
		s.mustFail("isolated", a)
		// What the file system itself needs for files in blocks, beside the files.
		if lowest < s.MinFree-1<<20 {
			s.Errorf("there were %d bytes free, and %d were to stay free", lowest, s.MinFree)
		}
		s.MinFree += room - 1<<20
		c = start(s, order{settings: s.settings, Op: opGet, Target: wanted, Run: runner, Mode: "isolated"})
		defer c.end()
		a = mustAnswer(s, c)
		s.mustFail("isolated", a)
		for _, words := range []string{"CACHE_MIN_FREE", cordon.FormatBytes(s.MinFree)} {
			if !strings.Contains(a.Text, words) {
				s.Errorf("the error does not say %q: %s", words, a.Text)
			}
		}
		if strings.Contains(c.said(), "Cache MISS") {
			s.Error("it was downloaded all the same")
		}
		s.MinFree = 0
		s.clear()
		s.mustBeClean()
	})
}

// mustAnswer lets a child carry out its order, and returns its answer.
func mustAnswer(tb testing.TB, c *child) answer {
	tb.Helper()
	_, err := c.in.WriteString("go\n")
	must(tb, err)
	return readAnswer(tb, c)
}

// readAnswer waits for the answer of a child that carries out its order. One that
// does not come is the test's end.
func readAnswer(tb testing.TB, c *child) (a answer) {
	tb.Helper()
	late := time.AfterFunc(hung, func() { _ = unix.Kill(c.pid, unix.SIGKILL) })
	defer late.Stop()
	if !c.out.Scan() {
		tb.Errorf("no answer:\n%s", tail(c.said()))
		return answer{Failed: true}
	}
	if err := json.Unmarshal(c.out.Bytes(), &a); err != nil {
		tb.Error(err)
	}
	return a
}

func (s *scene) mustFail(what string, a answer) {
	s.Helper()
	if !a.Failed || !a.Typed || a.Kind != cordon.NoSpace {
		s.Errorf("%s: %+v, want NoSpace", what, a)
	}
}

func (s *scene) mustBeUnhurt() {
	s.Helper()
	if hurt := s.unhurt(); hurt != "" {
		s.Error(hurt)
	}
}

// mustBeClean fails unless a sweep leaves nothing but what the bystanders have.
func (s *scene) mustBeClean() {
	s.Helper()
	c := s.open()
	defer c.Close()
	s.mustBeSwept("with room again", c)
}

// listing is what there is of the wanted target, and what is under way.
func (s *scene) listing() string {
	s.Helper()
	var all []string
	for _, dir := range []string{".", wanted, ".cordon/staging", ".cordon/reservations", ".cordon/trash", ".cordon/tombstones"} {
		all = append(all, fmt.Sprint(dir, " ", s.names(dir)))
	}
	for _, r := range s.records() {
		if r.Target == wanted {
			all = append(all, "a record of "+r.Place)
		}
	}
	return strings.Join(all, "\n")
}

func mustNotBeThere(tb testing.TB, path string) {
	tb.Helper()
	if _, err := os.Lstat(path); err == nil {
		tb.Errorf("%s is still there", path)
	}
}
