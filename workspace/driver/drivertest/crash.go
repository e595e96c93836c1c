package drivertest

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/cordonlabs/cordon/internal/rmtree"
)

// killPoints is how many points a process is killed at, spread evenly, where
// there are more: each takes some 30 ms.
func killPoints() int {
	if testing.Short() {
		return 8
	}
	return 40
}

// small is a base with one of each kind, which is made in few steps.
func small(p place) {
	p.write("main.c", "int main;")
	p.write("src/lib.c", "lib")
	p.link("src/lib.c", "src/second")
	p.symlink("main.c", "link")
}

// killedAtEach has order o carried out again and again, killed one step later
// each time. prepare makes what it is carried out on, judge looks at what is left.
func (s *stand) killedAtEach(o order, prepare func(name string) *view, judge func(point string, v *view)) {
	s.Helper()
	attempt := func(n int) int {
		v := prepare(fmt.Sprintf("killed-%d", n))
		c := s.child(o, v)
		c.ready()
		killed, calls := c.killAt(n)
		if n > 0 && !killed {
			s.Logf("point %d was not reached: there were %d this time", n, calls)
		}
		judge(fmt.Sprintf("killed before step %d", n), v)
		return calls
	}
	all := attempt(0) // a process that is not killed says how many steps there are
	points := min(all, killPoints())
	for i := range points {
		attempt(1 + i*all/points)
	}
	s.Logf("killed at %d of %d points", points, all)
}

func killedCreating(s *stand) {
	small(s.base)
	s.freeze()
	s.killedAtEach(order{Op: opCreate}, s.empty, func(point string, v *view) {
		s.clear(point, v)
		s.compare("a view made of the same base afterwards", s.again(v), "its base", s.base, times)
		s.clear(point+", and made anew", v)
	})
}

// clear releases and deletes what is left of v, and its directory.
func (s *stand) clear(when string, v *view) {
	s.Helper()
	if err := s.release(v); err != nil {
		s.Fatalf("%s: release: %v", when, err)
	}
	if left := s.mounts(); len(left) > 0 {
		s.Fatalf("%s: still mounted: %q", when, left)
	}
	top, err := os.Open(s.top)
	s.must(err)
	defer top.Close()
	names, err := v.root.Open(".")
	s.must(err)
	defer names.Close()
	all, err := names.Readdirnames(-1)
	s.must(err)
	for _, n := range all {
		if err := rmtree.Remove(context.Background(), names, n); err != nil {
			s.Fatalf("%s: delete: %v", when, err)
		}
	}
}

// again makes a view where another one was cleared away.
func (s *stand) again(v *view) place {
	s.Helper()
	_, err := s.d.Create(s.Context(), s.job(v))
	s.must(err)
	return v.place
}

func killedRestoring(s *stand) {
	if !s.traits.Mounted {
		s.Skip("its views need no restoring")
	}
	small(s.base)
	want := manifest(nil)
	prepare := func(name string) *view {
		v := s.view(name)
		v.write("main.c", "overwritten")
		v.renameDir("src", "source")
		v.write("source/new", "new")
		v.remove("link")
		for _, n := range []string{".", "main.c", "source", "source/new"} {
			v.mtime(n, old)
		}
		want = s.manifest(v.dir, times)
		s.detach(v)
		return v
	}
	s.killedAtEach(order{Op: opRestore}, prepare, func(point string, v *view) {
		if s.check(v) != nil {
			s.restore(v)
		}
		if diff := want.diff(s.manifest(v.dir, times), times); diff != "" {
			s.Errorf("%s, and restored: it differs from what was written:\n%s", point, diff)
		}
		v.write("main.c", "goes on")
		s.clear(point, v)
	})
}
