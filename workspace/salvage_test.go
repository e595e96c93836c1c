package workspace_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
)

// saver is where runs' crashes are saved: it keeps the file "crash" of each.
type saver struct {
	notes, saved []string
	err          error
}

func (s *saver) save(_ context.Context, e workspace.Entry, note []byte) error {
	s.notes = append(s.notes, string(note))
	b, err := os.ReadFile(filepath.Join(e.Path, "crash"))
	if err == nil && s.err == nil {
		s.saved = append(s.saved, e.Run+": "+string(b))
	}
	return errors.Join(err, s.err)
}

// newSaving returns a bench with a run R of a Temporal that has found a crash.
func newSaving(t *testing.T, mode cordon.Mode, change ...func(*workspace.Options)) (*bench, *registry, *saver, string) {
	t.Helper()
	s := &saver{}
	b, reg := newAsking(t, append(change, func(o *workspace.Options) { o.Salvage = s.save })...)
	ws := b.ask("R", mode)
	must(t, b.cache.RequireSalvage(t.Context(), ws.Path, []byte("note")))
	must(t, os.WriteFile(filepath.Join(ws.Path, "crash"), []byte("boom"), 0o644))
	reg.set("R", open())
	return b, reg, s, ws.Path
}

func (s *saver) mustHave(t *testing.T, want ...string) {
	t.Helper()
	if got, want := strings.Join(s.saved, ", "), strings.Join(want, ", "); got != want {
		t.Errorf("saved %q, want %q", got, want)
	}
	for _, n := range s.notes {
		if n != "note" {
			t.Errorf("it was handed the note %q", n)
		}
	}
}

func TestSalvage(t *testing.T) {
	for _, mode := range []cordon.Mode{cordon.Isolated, cordon.CopyOnWrite} {
		t.Run("row 16: what an orphan found is saved before it goes, and it stays while that fails: "+string(mode), func(t *testing.T) {
			b, reg, s, path := newSaving(t, mode)
			b.sweep()
			s.mustHave(t) // the run is open
			reg.set("R", b.over(time.Hour))
			s.err = errors.New("the store is down")
			for range 2 {
				report := b.sweep()
				mustExist(t, filepath.Join(path, "crash"))
				if len(report.Deferred) != 1 || !strings.Contains(report.Deferred[0].Reason, "the store is down") || report.Freed != 0 {
					t.Errorf("report = %+v", report)
				}
			}
			s.err = nil
			b.sweep()
			s.mustHave(t, "R: boom")
			mustBeGone(t, path)
			b.sweep()
			s.mustHave(t, "R: boom")
			b.mustBeTidy()
		})
	}
	t.Run("what lies in a view whose mount is gone is saved: a worker's container was restarted", func(t *testing.T) {
		needMounts(t)
		b, reg, s, path := newSaving(t, cordon.CopyOnWrite, by(t, "overlay!"))
		must(t, b.cache.Close())
		mountstest.UnmountBelow(t, b.opts.Dir)
		b.cache = b.open()
		if err := b.cache.Salvage(t.Context(), path); err == nil {
			t.Error("an empty mount point was taken for all that the run found")
		}
		reg.set("R", b.over(time.Hour))
		b.sweep()
		s.mustHave(t, "R: boom")
		mustBeGone(t, path)
		b.sweep()
		b.mustBeTidy()
	})
	t.Run("a cleanup leaves what was not saved to the sweep", func(t *testing.T) {
		b, _, s, path := newSaving(t, cordon.Isolated)
		done, err := b.cache.Cleanup(t.Context(), path, workspace.Caller{Run: "R"})
		must(t, err)
		if done.Outcome != workspace.Kept || !strings.Contains(done.Reason, "not in the store") {
			t.Errorf("cleanup = %+v", done)
		}
		mustExist(t, filepath.Join(path, "crash"))
		b.sweep()
		s.mustHave(t, "R: boom")
		mustBeGone(t, path)
	})
	t.Run("what was saved by hand is cleaned up at once", func(t *testing.T) {
		b, _, s, path := newSaving(t, cordon.Isolated)
		s.err = errors.New("the store is down")
		if err := b.cache.Salvage(t.Context(), path); err == nil || !strings.Contains(err.Error(), "the store is down") {
			t.Errorf("salvage: %v", err)
		}
		s.err = nil
		must(t, b.cache.Salvage(t.Context(), path))
		must(t, b.cache.Salvage(t.Context(), path)) // nothing is left to do
		if done := b.cleanup(path, "R"); done.Outcome != workspace.Removed {
			t.Errorf("cleanup = %+v", done)
		}
		s.mustHave(t, "R: boom")
		must(t, b.cache.Salvage(t.Context(), path)) // nothing is left there
	})
	t.Run("a note that was taken back is no more", func(t *testing.T) {
		b, _, s, path := newSaving(t, cordon.Isolated)
		must(t, b.cache.Salvaged(t.Context(), path))
		if done := b.cleanup(path, "R"); done.Outcome != workspace.Removed || len(s.notes) != 0 {
			t.Errorf("cleanup = %+v, notes %v", done, s.notes)
		}
	})
	t.Run("an eviction makes no room of it, saved or not", func(t *testing.T) {
		b, _, s, path := newSaving(t, cordon.Isolated, func(o *workspace.Options) { o.MaxSize = cordon.BytesOf(2_160_000) })
		b.cleanup(path, "R") // nobody holds it any more
		b.put("big", tree{"blob": string(random(1, 1<<20))}.tarball(t))
		mustBeKind(t, b.getErr("big", "S", cordon.Isolated), cordon.NoSpace)
		mustExist(t, filepath.Join(path, "crash"))
		s.mustHave(t)
	})
	t.Run("a process that saves nothing leaves it to one that does", func(t *testing.T) {
		b, reg, s, path := newSaving(t, cordon.Isolated)
		reg.set("R", b.over(time.Hour))
		opts := b.opts
		opts.Salvage = nil
		other, err := workspace.Open(opts)
		must(t, err)
		defer other.Close()
		report, err := other.Sweep(t.Context(), workspace.SweepOptions{})
		must(t, err)
		if len(report.Deferred) != 1 || !strings.Contains(report.Deferred[0].Reason, "only a worker can do") {
			t.Errorf("report = %+v", report)
		}
		mustExist(t, filepath.Join(path, "crash"))
		b.sweep()
		s.mustHave(t, "R: boom")
		mustBeGone(t, path)
	})
	t.Run("a dry run saves nothing, its plan does", func(t *testing.T) {
		b, reg, s, path := newSaving(t, cordon.Isolated)
		reg.set("R", b.over(time.Hour))
		report, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{DryRun: true})
		must(t, err)
		if len(report.Removals) == 0 || report.Removals[0].Path != path || len(s.notes) != 0 {
			t.Errorf("report = %+v, notes %v", report, s.notes)
		}
		_, err = b.cache.Sweep(t.Context(), workspace.SweepOptions{Plan: report.Plan})
		must(t, err)
		s.mustHave(t, "R: boom")
		mustBeGone(t, path)
	})
	t.Run("nothing is saved under a tool that still works there", func(t *testing.T) {
		b, reg, s, path := newSaving(t, cordon.Isolated)
		reg.set("R", b.over(time.Hour))
		lease, err := b.cache.Use(t.Context(), path, workspace.Caller{Run: "R"})
		must(t, err)
		b.sweep()
		s.mustHave(t)
		lease.Release()
		b.sweep()
		s.mustHave(t, "R: boom")
		mustBeGone(t, path)
	})
	t.Run("a note on what is gone is forgotten", func(t *testing.T) {
		b, _, s, path := newSaving(t, cordon.Isolated)
		must(t, os.RemoveAll(filepath.Dir(path)))
		b.sweep()
		b.sweep()
		if left, err := os.ReadDir(b.path(".cordon/salvage")); err != nil || len(left) != 0 || len(s.notes) != 0 {
			t.Errorf("left %v, %v; notes %v", left, err, s.notes)
		}
	})
	t.Run("it is listed and explained", func(t *testing.T) {
		b, _, _, path := newSaving(t, cordon.Isolated)
		b.cleanup(path, "R")
		e := b.entries()[b.rel(path)]
		if e.Pin == nil || !strings.Contains(e.Pin.Reason, "not in the store") {
			t.Errorf("entry = %+v", e)
		}
		x, err := b.cache.Explain(t.Context(), path)
		must(t, err)
		if !x.Stays || !strings.Contains(x.Verdict, "not in the store") {
			t.Errorf("verdict = %q", x.Verdict)
		}
		if stray, err := b.cache.StrayPins(); err != nil || len(stray) != 0 {
			t.Errorf("stray pins %v, %v", stray, err)
		}
	})
	t.Run("somebody may give it up", func(t *testing.T) {
		b, _, s, path := newSaving(t, cordon.Isolated)
		b.cleanup(path, "R")
		b.unpin(b.entries()[b.rel(path)].Key)
		b.sweep()
		s.mustHave(t)
		mustBeGone(t, path)
	})
	t.Run("ending a pin gives up nothing but the pin, nor anything of a live run", func(t *testing.T) {
		b, reg, s, path := newSaving(t, cordon.Isolated)
		key := b.entries()[b.rel(path)].Key
		must(t, b.cache.Pin(key, "mine"))
		b.unpin(key)
		if was, err := b.cache.Unpin(key); was || err != nil {
			t.Errorf("what a run under way finds was given up: %t, %v", was, err)
		}
		reg.set("R", b.over(time.Hour))
		b.sweep()
		s.mustHave(t, "R: boom")
		mustBeGone(t, path)
	})
	t.Run("only a run's own workspace is salvaged", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		shared := b.get("T", "R", cordon.Shared)
		for _, path := range []string{shared.Path, b.path("T/none/workspace"), "/etc", b.path("T/../T/R/workspace"), ""} {
			mustBeKind(t, b.cache.RequireSalvage(t.Context(), path, nil), cordon.TargetNotFound)
		}
		own := b.get("T", "S", cordon.Isolated)
		if err := b.cache.RequireSalvage(t.Context(), own.Path, make([]byte, 65<<10)); err == nil {
			t.Error("a note of 65 KiB was accepted")
		}
	})
}
