package drivertest

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/workspace/driver"
)

// detach takes a view's mount away, as a restart of its container does.
func (s *stand) detach(v *view) {
	s.Helper()
	s.must(patient(func() error { return unix.Unmount(v.dir, unix.UMOUNT_NOFOLLOW) }))
	if err := s.check(v); !errors.Is(err, driver.ErrDetached) {
		s.Errorf("without its mount: %v, want ErrDetached", err)
	}
}

func (s *stand) restore(v *view) {
	s.Helper()
	s.must(patient(func() error { return s.d.Restore(s.Context(), s.job(v)) }))
	s.must(s.check(v))
}

func restores(s *stand) {
	sample(s.base)
	s.base.write("names/one", "same")
	s.base.link("names/one", "names/two")
	v := s.view("v")
	if !s.traits.Mounted {
		havoc(v.place)
		before := s.manifest(v.dir, everything)
		s.restore(v)
		if diff := before.diff(s.manifest(v.dir, everything), everything); diff != "" {
			s.Errorf("a view that nothing is wrong with was changed:\n%s", diff)
		}
		return
	}
	s.detach(v) // before anybody wrote to it
	s.restore(v)
	s.compare("a restored view", v.place, "its base", s.base, times)
	for i, act := range []func(){
		func() { havoc(v.place); v.write("names/one", "changed") },
		func() { v.renameDir("moved", "src/again"); v.remove("src/again/er"); v.write("src/again/er", "a file") },
		func() { v.removeAll("src"); v.write("src/deep/er/file", "anew"); v.link("names/two", "three") },
		func() { s.must(os.Rename(s.path("v"), s.path("elsewhere"))); v.dir = s.path("elsewhere/" + viewName) },
	} {
		act()
		before := s.manifest(v.dir, times)
		s.detach(v)
		s.restore(v)
		if diff := before.diff(s.manifest(v.dir, times), times); diff != "" {
			s.Errorf("restored after change %d, it differs from what was written:\n%s", i, diff)
		}
	}
	if all, err := os.ReadDir(v.at("src")); err != nil || len(all) != 1 {
		s.Errorf("a directory made anew has %v, %v", all, err)
	}
	// A view that is used by nobody here, but goes on living, is whole as well.
	other := s.view("other")
	havoc(other.place)
	s.detach(other)
	s.must(s.release(v))
	s.restore(other)
}

func otherBase(s *stand) {
	if !s.traits.NeedsBase {
		s.Skip("its views need no base")
	}
	fill := func(p place) { sample(p); p.mtime("src", old); p.mtime("main.c", old) }
	fill(s.base)
	v := s.view("v")
	havoc(v.place)
	if s.traits.Mounted {
		s.detach(v)
	}
	s.must(os.Rename(s.base.dir, s.path("old")))
	s.must(s.d.MakeBase(s.root, "base"))
	fill(s.base)
	s.before = nil // it is another one now
	base, err := os.OpenRoot(s.base.dir)
	s.must(err)
	defer base.Close()
	job := s.job(v)
	job.Base = base
	if err := s.d.Restore(s.Context(), job); !errors.Is(err, driver.ErrBroken) {
		s.Errorf("restored onto another base: %v, want ErrBroken", err)
	}
	if err := s.check(v); err == nil {
		s.Error("after that it is found usable")
	}
	if left := s.mounts(); len(left) > 0 {
		s.Errorf("left mounted: %q", left)
	}
}
