package drivertest

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sample is a small tree with one of each kind, but for hard links.
func sample(p place) {
	p.write("main.c", "int main;")
	p.write("src/deep/er/file", strings.Repeat("x", 100_000))
	p.write("src/lib.c", "lib")
	p.write("empty-file", "")
	p.mkdir("empty/dir")
	p.symlink("main.c", "link")
}

// names are all names of sample but the top.
var names = []string{"main.c", "src/deep/er/file", "src/deep/er", "src/deep", "src/lib.c", "src", "empty-file", "empty/dir", "empty", "link"}

// old is a time with a fraction that no file system rounds away by chance.
var old = time.Unix(1_500_000_000, 123_456_789)

func random(n int) string {
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	b := make([]byte, n)
	_, _ = r.Read(b) // never fails: math/rand/v2
	return string(b)
}

// fresh makes a view and compares it with its base.
func (s *stand) fresh() *view {
	s.Helper()
	v := s.view("v")
	s.compare("a fresh view", v.place, "its base", s.base, times)
	return v
}

func sameTree(s *stand) {
	sample(s.base)
	for _, n := range []int{1, 511, 4095, 4096, 4097, 65_536, 1<<20 + 1} {
		s.base.write(fmt.Sprintf("size/%d", n), random(n))
	}
	v := s.fresh()
	if got := v.read("link"); got != "int main;" {
		s.Errorf("through the link: %q", got)
	}
}

func keepsModes(s *stand) {
	modes := map[string]fs.FileMode{
		"script": 0o755, "private": 0o600, "read-only": 0o444, "all": 0o777, "odd": 0o641,
		"closed/inner/file": 0o400, "closed/inner": 0o500, "closed": 0o555, "open": 0o777,
	}
	if privileged() {
		modes["nobody's"] = 0 // others could not even read it to copy it
	}
	s.base.write("closed/inner/file", "x")
	s.base.mkdir("open")
	for n, m := range modes {
		if _, err := os.Lstat(s.base.at(n)); err != nil {
			s.base.write(n, n)
		}
		if !strings.HasPrefix(n, "closed") {
			s.base.chmod(n, m)
		}
	}
	for _, n := range []string{"closed/inner/file", "closed/inner", "closed"} { // from within, for an ordinary user
		s.base.chmod(n, modes[n])
	}
	v := s.fresh()
	for n, m := range modes {
		if got := fs.FileMode(v.stat(n).Mode & 0o7777); got != m {
			s.Errorf("mode of %s = %v, want %v", n, got, m)
		}
	}
	// What is read-only is the run's to change all the same.
	v.chmod("closed", 0o755)
	v.write("closed/new", "x")
	v.remove("read-only")
}

func keepsTimes(s *stand) {
	sample(s.base)
	for i, n := range names {
		s.base.mtime(n, old.Add(time.Duration(i)*time.Hour))
	}
	v := s.fresh()
	for i, n := range names {
		st := v.stat(n)
		if got, want := time.Unix(st.Mtim.Unix()), old.Add(time.Duration(i)*time.Hour); !got.Equal(want) {
			s.Errorf("time of %s = %v, want %v", n, got, want)
		}
	}
}

func keepsTop(s *stand) {
	sample(s.base)
	s.base.chmod(".", 0o751)
	s.base.mtime(".", old)
	v := s.fresh()
	st := v.stat(".")
	if mode := fs.FileMode(st.Mode & 0o7777); mode != 0o751 || !time.Unix(st.Mtim.Unix()).Equal(old) {
		s.Errorf("the top has mode %v and time %v", mode, time.Unix(st.Mtim.Unix()))
	}
	v.chmod(".", 0o700)
	v.write("new", "x")
}

func keepsLinks(s *stand) {
	s.base.write("sub/file", "found")
	want := map[string]string{
		"rel": "sub/file", "up": "../outside", "abs": "/etc/hostname", "dangling": "nowhere", "circle": "circle",
		"dir": "sub", "sub/back": "../sub", "long": strings.Repeat("n/", 500), "odd": "a\nb\xff",
	}
	for n, to := range want {
		s.base.symlink(to, n)
	}
	v := s.fresh()
	for n, to := range want {
		if got, err := os.Readlink(v.at(n)); err != nil || got != to {
			s.Errorf("link %s = %.60q, %v; want %.60q", n, got, err, to)
		}
	}
	v.reads(map[string]string{"rel": "found", "dir/file": "found", "sub/back/file": "found"})
	v.write("dir/new", "through the link")
	v.reads(map[string]string{"sub/new": "through the link"})
}

func keepsHardLinks(s *stand) {
	s.base.write("a/one", "same")
	s.base.mkdir("b")
	s.base.link("a/one", "b/two")
	s.base.link("a/one", "three")
	s.base.write("pair", "other")
	s.base.link("pair", "b/pair")
	v := s.fresh() // compares the groups
	if v.stat("a/one").Ino != v.stat("b/two").Ino || v.stat("a/one").Nlink != 3 {
		s.Error("names of one file became several files")
	}
	v.write("a/one", "changed")
	for _, n := range []string{"b/two", "three"} {
		if got := v.read(n); got != "changed" && !(s.traits.SplitsLinks && got == "same") {
			s.Errorf("after a write to another name %s is %q", n, got)
		}
	}
	v.reads(map[string]string{"a/one": "changed", "pair": "other"})
	v.remove("a/one")
	if _, err := os.Lstat(v.at("b/two")); err != nil {
		s.Errorf("another name of what was removed: %v", err)
	}
	if got := v.stat("b/two").Nlink; got != 2 && !s.traits.SplitsLinks {
		s.Errorf("%d names are left of three", got)
	}
	s.base.reads(map[string]string{"a/one": "same", "b/two": "same", "three": "same"})
}

func keepsXattrs(s *stand) {
	s.base.write("dir/file", "x")
	for _, n := range []string{"dir/file", "dir", "."} {
		for name, value := range map[string]string{"user.note": "kept in " + n, "user.empty": "", "user.bytes": "\x00\xff"} {
			if err := unix.Setxattr(s.base.at(n), name, []byte(value), 0); err != nil {
				s.Skipf("this file system has no user attributes: %v", err)
			}
		}
	}
	v := s.fresh()
	for _, n := range []string{"dir/file", "dir", "."} {
		buf := make([]byte, 64)
		size, err := unix.Getxattr(v.at(n), "user.note", buf)
		if err != nil || string(buf[:size]) != "kept in "+n {
			s.Errorf("user.note of %s = %q, %v", n, buf[:max(size, 0)], err)
		}
		v.must(unix.Setxattr(v.at(n), "user.note", []byte("changed"), 0))
		v.must(unix.Setxattr(v.at(n), "user.more", []byte("new"), 0))
		v.must(unix.Removexattr(v.at(n), "user.empty"))
	}
	s.compare("another view", s.view("w").place, "the base", s.base, times)
}

func keepsHoles(s *stand) {
	const size, at = 128 << 20, 64 << 20
	f := s.base.open("sparse", os.O_RDWR|os.O_CREATE)
	_, err := f.WriteAt([]byte("end"), at)
	s.must(err)
	s.must(f.Truncate(size))
	s.must(f.Sync())
	s.must(f.Close())
	v := s.view("v")
	whole := func(when string) {
		s.Helper()
		st := v.stat("sparse")
		const few = 4 << 20 // file systems allocate ahead, and overlayfs copies by the MiB
		if st.Size != size || st.Blocks*512 > few {
			s.Errorf("%s: %d bytes are allocated for %d, three of which are data", when, st.Blocks*512, st.Size)
		}
	}
	whole("in a fresh view")
	w := v.open("sparse", os.O_RDWR)
	b := make([]byte, 3)
	if _, err := w.ReadAt(b, at); err != nil || string(b) != "end" {
		s.Errorf("read %q, %v", b, err)
	}
	_, err = w.WriteAt([]byte("begin"), 0)
	s.must(err)
	s.must(w.Sync())
	whole("after a write")
	if _, err := w.ReadAt(b, at); err != nil || string(b) != "end" {
		s.Errorf("after a write: read %q, %v", b, err)
	}
}
