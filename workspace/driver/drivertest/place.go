package drivertest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// place is a tree that a test works in by paths, as a run does: a base, a view,
// or a plain directory. Its methods end the test if what they do fails.
type place struct {
	s   *stand
	dir string
	log *[]string
}

func (p place) at(name string) string { return filepath.Join(p.dir, name) }

// must ends the test, saying where it happened.
func (p place) must(err error) {
	if err != nil {
		p.s.Helper()
		p.s.Fatalf("in %s: %.400v", p.dir, err.Error())
	}
}

// note remembers how something went, to be compared with another place's notes.
func (p place) note(what string, err error) {
	var no syscall.Errno
	if errors.As(err, &no) {
		what += ": " + no.Error()
	} else if err != nil {
		what += ": " + strings.ReplaceAll(err.Error(), p.dir, "")
	}
	*p.log = append(*p.log, what)
}

// write makes or overwrites a file, and the directories above it.
func (p place) write(name, content string) {
	p.s.Helper()
	p.mkdir(filepath.Dir(name))
	p.must(os.WriteFile(p.at(name), []byte(content), 0o644))
}

func (p place) read(name string) string {
	p.s.Helper()
	b, err := os.ReadFile(p.at(name))
	p.must(err)
	return string(b)
}

// reads reports the content of several files that are not as they should be.
func (p place) reads(want map[string]string) {
	p.s.Helper()
	for name, w := range want {
		if got := p.read(name); got != w {
			p.s.Errorf("%s is %.60q, want %.60q", p.at(name), got, w)
		}
	}
}

func (p place) mkdir(name string) { p.s.Helper(); p.must(os.MkdirAll(p.at(name), 0o755)) }

func (p place) symlink(to, name string) { p.s.Helper(); p.must(os.Symlink(to, p.at(name))) }

func (p place) link(old, name string) { p.s.Helper(); p.must(os.Link(p.at(old), p.at(name))) }

func (p place) rename(old, name string) { p.s.Helper(); p.must(os.Rename(p.at(old), p.at(name))) }

func (p place) remove(name string) { p.s.Helper(); p.must(os.Remove(p.at(name))) }

func (p place) removeAll(name string) { p.s.Helper(); p.must(os.RemoveAll(p.at(name))) }

func (p place) chmod(name string, mode fs.FileMode) { p.s.Helper(); p.must(os.Chmod(p.at(name), mode)) }

// redirectMax is how long a path overlayfs remembers a renamed directory by, in
// bytes, unless the module was loaded with another redirect_max.
const redirectMax = 256

// renameDir renames a directory of the base. Where the driver says that this
// does not work, the error must be the one that makes mv(1) copy.
func (p place) renameDir(old, name string) {
	p.s.Helper()
	err := os.Rename(p.at(old), p.at(name))
	refuses := p.s.traits.NoDirRename || p.s.traits.Mounted && len("/"+old) >= redirectMax
	if refuses && errors.Is(err, unix.EXDEV) {
		p.run("mv", "-T", "--", p.at(old), p.at(name))
		return
	}
	p.must(err)
}

// mtime sets the modification time of what name is, if it is a link of the link itself.
func (p place) mtime(name string, t time.Time) {
	p.s.Helper()
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(t.UnixNano())}
	p.must(unix.UtimesNanoAt(unix.AT_FDCWD, p.at(name), ts, unix.AT_SYMLINK_NOFOLLOW))
}

// open opens a file until the test ends.
func (p place) open(name string, flag int) *os.File {
	p.s.Helper()
	f, err := os.OpenFile(p.at(name), flag, 0o644)
	p.must(err)
	p.s.Cleanup(func() { f.Close() })
	return f
}

func (p place) stat(name string) *syscall.Stat_t {
	p.s.Helper()
	info, err := os.Lstat(p.at(name))
	p.must(err)
	return info.Sys().(*syscall.Stat_t)
}

// run runs a program in the place.
func (p place) run(program string, args ...string) string {
	p.s.Helper()
	cmd := exec.CommandContext(p.s.Context(), program, args...)
	cmd.Dir = p.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.must(fmt.Errorf("%s: %w\n%s", cmd, err, out))
	}
	return string(out)
}

// alike fills the base, does act to a view of it and to a plain directory of the
// same content, and expects the same of both.
func (s *stand) alike(fill, act func(place)) *view {
	s.Helper()
	twin := s.plain("twin")
	fill(s.base)
	fill(twin)
	v := s.view("v")
	act(twin) // first: what fails here is the test's own defect
	act(v.place)
	s.compare("the view", v.place, "a plain directory", twin, shape)
	if got, want := strings.Join(*v.log, "\n"), strings.Join(*twin.log, "\n"); got != want {
		s.Errorf("in the view:\n%s\nin a plain directory:\n%s", got, want)
	}
	return v
}

func (s *stand) compare(aName string, a place, bName string, b place, level detail) {
	s.Helper()
	if diff := s.manifest(b.dir, level).diff(s.manifest(a.dir, level), level); diff != "" {
		s.Errorf("%s differs from %s:\n%s", aName, bName, diff)
	}
}
