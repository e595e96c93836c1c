package drivertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/workspace/driver"
)

// copies says whether views of the driver take what their base takes.
func (s *stand) copies() bool {
	base := driver.Usage{Bytes: 1 << 30, Inodes: 1000}
	return s.d.Price(base).Bytes >= base.Bytes
}

func cancelled(s *stand) {
	for i := range 8 {
		s.base.write(fmt.Sprintf("big-%d", i), strings.Repeat("x", 4<<20))
	}
	why := errors.New("not wanted any more")
	ctx, cancel := context.WithCancelCause(s.Context())
	cancel(why)
	if _, err := s.try(ctx, "before"); !errors.Is(err, why) {
		s.Errorf("cancelled before it began: %v", err)
	}
	ctx, cancel = context.WithCancelCause(s.Context())
	_, err := s.try(ctx, "midway", func(job *driver.Job) { job.Progress = func(int64) { cancel(why) } })
	if !errors.Is(err, why) && (err != nil || s.copies()) {
		s.Errorf("cancelled midway: %v", err)
	}
	cancel(nil)
}

func plainBase(s *stand) {
	other := s.plain("other")
	sample(other)
	base, err := os.OpenRoot(other.dir)
	s.must(err)
	defer base.Close()
	v, err := s.try(s.Context(), "v", func(job *driver.Job) { job.Base = base })
	switch {
	case !s.traits.OwnBase:
		s.must(err)
		s.compare("a view of a directory that somebody made", v.place, "that", other, times)
	case err == nil:
		s.Error("a view was made of a directory that somebody made")
	}
}

func refusesOdd(s *stand) {
	s.base.write("file", "x")
	s.must(unix.Mkfifo(s.base.at("pipe"), 0o644))
	if privileged() {
		s.must(unix.Mknod(s.base.at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	}
	s.freeze()
	v := s.empty("v")
	job := s.job(v)
	done := make(chan error, 1)
	go func() {
		_, err := s.d.Create(s.Context(), job)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			s.compare("the view", v.place, "the base", s.base, times)
		} else if !strings.Contains(err.Error(), "pipe") && !strings.Contains(err.Error(), "null") {
			s.Errorf("the error does not name what is odd: %v", err)
		}
	case <-time.After(5 * time.Second): // it takes milliseconds unless something hangs
		s.Fatal("hangs at a FIFO or a device")
	}
}

func releases(s *stand) {
	sample(s.base)
	v, kept := s.view("v"), s.view("kept")
	none, file, link := s.empty("none"), s.empty("file"), s.empty("link")
	s.must(os.WriteFile(file.dir, []byte("no view"), 0o644))
	s.must(os.Symlink("../kept/"+viewName, link.dir))
	for range 2 {
		for _, v := range []*view{v, none, file, link} {
			if err := s.release(v); err != nil {
				s.Errorf("release of %s: %v", filepath.Base(filepath.Dir(v.dir)), err)
			}
		}
	}
	s.compare("the view that a link leads to", kept.place, "the base", s.base, times)
	s.must(s.check(kept))
	if err := s.check(v); s.traits.Mounted && err == nil {
		s.Error("a view that was released is found usable")
	}
	if b, err := os.ReadFile(file.dir); err != nil || string(b) != "no view" {
		s.Errorf("a file that is no view: %q, %v", b, err)
	}
}

func busy(s *stand) {
	sample(s.base)
	for _, how := range []string{"a file open", "its working directory in it"} {
		v, other := s.view(how), s.view("beside "+how)
		script := "exec 3<>src/lib.c; cd /; echo ready; read x; echo more >&3; cat /proc/self/fd/3 | tr '\\n' ' '; echo"
		if how != "a file open" {
			script = "echo ready; read x; cat main.c 2>/dev/null; echo"
		}
		c := s.start("/bin/sh", []string{"sh", "-c", script}, nil, v.dir)
		c.ready()
		err := driver.Release(v.root, viewName)
		switch {
		case !s.traits.Mounted && err != nil:
			s.Errorf("release while a process has %s: %v", how, err)
		case s.traits.Mounted && !errors.Is(err, driver.ErrBusy):
			s.Errorf("release while a process has %s: %v, want ErrBusy", how, err)
		case s.traits.Mounted:
			s.must(s.check(v))
			s.compare("a view that is busy", v.place, "its base", s.base, times)
			v.write("main.c", "still usable;")
		}
		if got := c.next(); how == "a file open" && got != "lib" && got != "more" && got != "libmore" {
			s.Errorf("the process that has %s reads %q", how, got)
		} else if s.traits.Mounted && how != "a file open" && got != "still usable;" {
			s.Errorf("the process that has %s reads %q", how, got)
		}
		c.wait()
		if err := s.release(v); err != nil {
			s.Errorf("release when nobody has %s any more: %v", how, err)
		}
		s.must(s.check(other))
	}
}

func checks(s *stand) {
	sample(s.base)
	v := s.view("v")
	s.must(s.check(v))
	s.must(s.check(v))
	havoc(v.place)
	s.must(s.check(v))
	v.chmod(".", 0)
	s.must(s.check(v))
	v.chmod(".", 0o755)
	v.run("sh", "-c", "rm -rf ./*; mkdir .overlay upper work; echo x > .overlay/view.json")
	s.must(s.check(v))
	s.must(s.check(s.view("another")))
}

func checksBroken(s *stand) {
	sample(s.base)
	if err := s.check(s.empty("never made")); !errors.Is(err, driver.ErrBroken) {
		s.Errorf("one that was never made: %v, want ErrBroken", err)
	}
	for what, put := range map[string]func(string) error{
		"nothing": func(string) error { return nil },
		"a file":  func(at string) error { return os.WriteFile(at, nil, 0o644) },
		"a link":  func(at string) error { return os.Symlink("../intact/"+viewName, at) },
	} {
		v := s.view(what)
		s.must(s.release(v))
		s.must(os.RemoveAll(v.dir))
		s.must(put(v.dir))
		if err := s.check(v); !errors.Is(err, driver.ErrBroken) {
			s.Errorf("%s in its place: %v, want ErrBroken", what, err)
		}
		if err := s.d.Restore(s.Context(), s.job(v)); !errors.Is(err, driver.ErrBroken) {
			s.Errorf("%s in its place: Restore says %v, want ErrBroken", what, err)
		}
	}
	s.must(s.check(s.view("intact")))
}

func moves(s *stand) {
	sample(s.base)
	v := s.view("v")
	f := v.open("main.c", os.O_RDWR)
	c := s.start("/bin/sh", []string{"sh", "-c", "echo ready; read x; cat main.c; echo; echo x > by-the-process"}, nil, v.dir)
	c.ready()
	s.must(os.Mkdir(s.path("trash"), 0o755))
	s.must(os.Rename(s.path("v"), s.path("trash/moved")))
	v.dir = s.path("trash/moved/" + viewName)
	if _, err := f.WriteAt([]byte("INT"), 0); err != nil {
		s.Errorf("a file that was open: %v", err)
	}
	if got := c.next(); got != "INT main;" {
		s.Errorf("a process that has its working directory there reads %q", got)
	}
	c.wait()
	if got := v.read("by-the-process"); got != "x\n" {
		s.Errorf("what that process wrote is %q", got)
	}
	s.must(f.Close())
	s.must(s.check(v))
	v.write("after", "x")
	// Whoever finds it at its new place releases it there.
	root, err := os.OpenRoot(s.path("trash/moved"))
	s.must(err)
	defer root.Close()
	s.must(s.d.Check(root, viewName))
	s.must(patient(func() error { return driver.Release(root, viewName) }))
	if left := s.mounts(); len(left) > 0 {
		s.Errorf("still mounted: %q", left)
	}
}
