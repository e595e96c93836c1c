package workspace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
)

func TestScratch(t *testing.T) {
	const mb = 1 << 20

	t.Run("it is empty, its owner's to write, counted, and gone when it is released", func(t *testing.T) {
		b := newBench(t, limited(10*mb))
		s, err := b.cache.Scratch(t.Context(), "a tool's output", 4*mb, 100)
		must(t, err)
		dir := s.Dir()
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 || !strings.HasPrefix(dir, b.opts.Dir+"/.cordon/") {
			t.Errorf("%s has %v, %v", dir, left, err)
		}
		must(t, os.WriteFile(filepath.Join(dir, "report"), []byte("x"), 0o000))
		must(t, os.Symlink("/etc", filepath.Join(dir, "link")))
		if u := b.usage(); u.Reserved != 4*mb {
			t.Errorf("usage = %+v", u)
		}
		b.sweep()
		if _, err := os.Stat(filepath.Join(dir, "report")); err != nil {
			t.Errorf("a sweep took it from under its owner: %v", err)
		}
		s.Release()
		if u := b.usage(); u.Reserved != 0 {
			t.Errorf("usage = %+v", u)
		}
		b.sweep()
		b.mustBeTidy()
	})

	t.Run("it makes room, and is refused where there is none", func(t *testing.T) {
		b := newBench(t, limited(10*mb))
		b.put("A", random(1, 8*mb))
		b.cleanup(b.get("A", "R", cordon.Shared).Path, "R")
		s, err := b.cache.Scratch(t.Context(), "a tool's output", 4*mb, 1)
		must(t, err)
		defer s.Release()
		if e := b.entries(); len(e) != 0 {
			t.Errorf("what nobody used is still there: %v", e)
		}
		_, err = b.cache.Scratch(t.Context(), "another tool's output", 20*mb, 1)
		mustBeKind(t, err, cordon.TargetTooLarge, "another tool's output", "CACHE_MAX_SIZE")
	})

	t.Run("a sweep takes what a killed process left", func(t *testing.T) {
		b := newBench(t)
		p := b.process()
		a, ok := p.do(command{Op: "scratch"})
		if !ok || a.Err != "" {
			t.Fatalf("%+v", a)
		}
		must(t, os.WriteFile(filepath.Join(a.Path, "half"), make([]byte, mb), 0o644))
		p.kill()
		b.sweep()
		if _, err := os.Lstat(a.Path); !os.IsNotExist(err) {
			t.Errorf("it is still there: %v", err)
		}
		b.mustBeTidy()
	})
}
