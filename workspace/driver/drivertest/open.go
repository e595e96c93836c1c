package drivertest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

func mapped(s *stand) {
	sample(s.base)
	v := s.view("v")
	f := v.open("src/deep/er/file", os.O_RDWR)
	m, err := unix.Mmap(int(f.Fd()), 0, 100_000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	s.must(err)
	defer unix.Munmap(m) // the process ends soon
	copy(m[70_000:], "written through the mapping")
	check := func(how string, b []byte, err error) {
		s.Helper()
		if err != nil || !strings.HasPrefix(string(b), "written through the mapping") {
			s.Errorf("%s: %.30q, %v", how, b, err)
		}
	}
	b := make([]byte, 30)
	_, err = f.ReadAt(b, 70_000)
	check("by the same descriptor", b, err)
	_, err = v.open("src/deep/er/file", os.O_RDONLY).ReadAt(b, 70_000)
	check("by another opener", b, err)
	r := v.open("src/deep/er/file", os.O_RDONLY)
	other, err := unix.Mmap(int(r.Fd()), 0, 100_000, unix.PROT_READ, unix.MAP_SHARED)
	s.must(err)
	defer unix.Munmap(other) // likewise
	check("in another mapping", other[70_000:70_030], nil)
	copy(m[70_000:], "WRITTEN")
	if got := string(other[70_000:70_007]); got != "WRITTEN" {
		s.Errorf("in another mapping, after another write: %q", got)
	}
	check("by a program", []byte(v.run("sh", "-c", "tail -c 30000 src/deep/er/file | tr A-Z a-z")), nil)
	s.must(unix.Msync(m, unix.MS_SYNC))
	if got := strings.Count(s.base.read("src/deep/er/file"), "x"); got != 100_000 {
		s.Errorf("the base has %d of 100000 x", got)
	}
}

func appendsTogether(s *stand) {
	s.base.write("log", "begin\n")
	v := s.view("v")
	a, b := v.open("log", os.O_APPEND|os.O_WRONLY), v.open("log", os.O_APPEND|os.O_RDWR)
	const each = 50
	done := make(chan error)
	for i, f := range []*os.File{a, b} {
		go func() {
			var err error
			for n := range each {
				_, werr := fmt.Fprintf(f, "%d-%d\n", i, n)
				err = errors.Join(err, werr)
			}
			done <- err
		}()
	}
	v.run("sh", "-c", "for i in 1 2 3 4 5; do echo sh-$i >> log; done")
	s.must(errors.Join(<-done, <-done))
	all := v.read("log")
	if n := strings.Count(all, "\n"); n != 2*each+5+1 || !strings.HasPrefix(all, "begin\n") {
		s.Errorf("%d lines of %d:\n%s", n, 2*each+5+1, all)
	}
	for i := range 2 * each {
		if line := fmt.Sprintf("%d-%d\n", i%2, i/2); strings.Count(all, line) != 1+strings.Count(all, "1"+line) {
			s.Errorf("%q is there %d times", line, strings.Count(all, line))
		}
	}
}

func openFiles(s *stand) {
	sample(s.base)
	s.base.write("victim", "content of the victim")
	v := s.view("v")

	early, writer := v.open("main.c", os.O_RDONLY), v.open("main.c", os.O_RDWR)
	_, err := writer.WriteAt([]byte("INT"), 0)
	s.must(err)
	got := readAll(s, early)
	if got != "INT main;" && !(s.traits.Mounted && got == "int main;") {
		s.Errorf("a descriptor opened before the write reads %q", got)
	}
	if got := readAll(s, writer); got != "INT main;" {
		s.Errorf("the one that wrote reads %q", got)
	}
	if got := readAll(s, v.open("main.c", os.O_RDONLY)); got != "INT main;" {
		s.Errorf("one opened after the write reads %q", got)
	}
	late := v.open("main.c", os.O_RDONLY)
	_, err = writer.WriteAt([]byte("Int"), 0)
	s.must(err)
	if got := readAll(s, late); got != "Int main;" {
		s.Errorf("one that was open at the second write reads %q", got)
	}

	over := v.open("victim", os.O_RDONLY)
	v.rename("src/lib.c", "victim")
	if got := readAll(s, over); got != "content of the victim" {
		s.Errorf("a file that another was renamed over reads %q", got)
	}
	v.reads(map[string]string{"victim": "lib"})

	gone := v.open("src/deep/er/file", os.O_RDWR)
	v.removeAll("src")
	_, err = gone.WriteAt([]byte("still"), 0)
	s.must(err)
	if got := readAll(s, gone); !strings.HasPrefix(got, "stillxxx") {
		s.Errorf("a deleted file reads %.10q", got)
	}
	dir, err := os.Open(v.at("empty"))
	s.must(err)
	defer dir.Close()
	v.renameDir("empty", "full")
	v.write("full/new", "x")
	if !s.traits.NoDirRename {
		if fd, err := unix.Openat(int(dir.Fd()), "new", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			s.Errorf("in an open directory that was renamed: %v", err)
		} else {
			unix.Close(fd)
		}
	}
}

func readAll(s *stand, f *os.File) string {
	s.Helper()
	_, err := f.Seek(0, io.SeekStart)
	s.must(err)
	b, err := io.ReadAll(f)
	if err != nil {
		s.Fatalf("%s: %v", filepath.Base(f.Name()), err)
	}
	return string(b)
}
