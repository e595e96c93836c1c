package drivertest

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func writes(s *stand) {
	v := s.alike(sample, func(p place) {
		p.write("main.c", "overwritten")
		p.write("src/new", "new")
		p.write("new/dir/file", "new")
		a := p.open("src/lib.c", os.O_WRONLY|os.O_APPEND)
		_, err := a.WriteString(" appended")
		p.must(err)
		p.must(os.Truncate(p.at("src/deep/er/file"), 3))
		p.must(os.Truncate(p.at("empty-file"), 5000))
		t := p.open("src/new", os.O_RDWR|os.O_TRUNC)
		_, err = t.WriteAt([]byte("at an offset"), 10_000)
		p.must(err)
		_, err = os.OpenFile(p.at("main.c"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		p.note("create what exists", err)
		_, err = os.ReadFile(p.at("nothing"))
		p.note("read what does not exist", err)
		p.note("write a directory", os.WriteFile(p.at("src"), nil, 0o644))
	})
	v.reads(map[string]string{"main.c": "overwritten", "link": "overwritten", "src/lib.c": "lib appended", "src/deep/er/file": "xxx"})
}

func renamesFiles(s *stand) {
	s.alike(sample, func(p place) {
		p.rename("main.c", "src/main.c")
		p.rename("src/lib.c", "src/deep/er/file") // over another one of the base
		p.write("new", "new")
		p.rename("new", "empty-file") // a new one over one of the base
		p.rename("src/main.c", "main.c")
		p.rename("main.c", "again")
		p.write("main.c", "in the place of what was renamed")
		p.rename("link", "empty/link")
		p.note("exchange", unix.Renameat2(unix.AT_FDCWD, p.at("again"), unix.AT_FDCWD, p.at("main.c"), unix.RENAME_EXCHANGE))
		p.note("rename over what exists, if that is forbidden",
			unix.Renameat2(unix.AT_FDCWD, p.at("again"), unix.AT_FDCWD, p.at("main.c"), unix.RENAME_NOREPLACE))
		p.note("rename a file over a directory", os.Rename(p.at("again"), p.at("empty")))
		p.note("rename what does not exist", os.Rename(p.at("nothing"), p.at("something")))
	})
}

func renamesDirs(s *stand) {
	s.alike(sample, func(p place) {
		p.renameDir("src/deep", "moved") // to another directory
		p.write("moved/er/new", "new")
		p.remove("moved/er/file")
		p.mkdir("src/deep") // in the place of what was renamed: empty
		_, err := os.Stat(p.at("src/deep/er"))
		p.note("what was renamed away", err)
		p.renameDir("moved", "src/deep/back") // into it
		p.renameDir("empty", "src/empty")
		p.renameDir("src", "source")
		p.write("source/empty/dir/file", "new")
		p.mkdir("fresh/sub")
		p.write("fresh/sub/file", "x")
		p.rename("fresh", "source/fresh") // one that is not the base's can always be renamed
		p.rename("source/fresh/sub", "src")
		p.note("rename a directory into itself", os.Rename(p.at("source"), p.at("source/empty/self")))
		p.note("rename a directory over one that is not empty", ignoreNotEmpty(os.Rename(p.at("src"), p.at("source"))))
	})
}

// ignoreNotEmpty makes one of the two errors that rename(2) may report for it.
func ignoreNotEmpty(err error) error {
	if errors.Is(err, unix.EEXIST) {
		return unix.ENOTEMPTY
	}
	return err
}

func deletes(s *stand) {
	v := s.alike(sample, func(p place) {
		p.remove("main.c")
		p.write("main.c", "new")
		p.remove("src/lib.c")
		p.removeAll("src/deep")
		p.mkdir("src/deep/er") // empty, though the base has a file in it
		p.write("src/deep/other", "new")
		p.remove("link")
		p.removeAll("empty")
		p.note("make a directory where one was", os.Mkdir(p.at("empty"), 0o700))
		p.note("remove a directory that is not empty", ignoreNotEmpty(unix.Rmdir(p.at("src"))))
		p.write("short-lived", "x")
		p.remove("short-lived")
		_, err := os.Stat(p.at("src/lib.c"))
		p.note("look at what was removed", err)
		p.note("remove what was removed", unix.Unlink(p.at("src/lib.c")))
		for range 3 {
			p.removeAll("src/deep")
			p.write("src/deep/er/file", "again")
		}
	})
	v.reads(map[string]string{"main.c": "new", "src/deep/er/file": "again"})
	if all, err := os.ReadDir(v.at("src/deep/er")); err != nil || len(all) != 1 {
		s.Errorf("%v in a directory that was made anew, %v", all, err)
	}
}

func replaces(s *stand) {
	s.alike(sample, func(p place) {
		p.removeAll("src")
		p.write("src", "now a file")
		p.remove("src")
		p.mkdir("src")
		all, err := os.ReadDir(p.at("src"))
		p.note(fmt.Sprintf("%d in a directory that was deleted, a file, and is a directory again", len(all)), err)
		p.write("src/only", "x")
		p.remove("main.c")
		p.write("main.c/now/a/directory", "x")
		p.removeAll("empty")
		p.symlink("src", "empty")
		p.remove("link")
		p.mkdir("link")
	})
}

func deletesAll(s *stand) {
	v := s.alike(sample, func(p place) {
		for _, n := range []string{"main.c", "src", "empty-file", "empty", "link"} {
			p.removeAll(n)
		}
		p.write("src/one", "new")
		p.run("sh", "-c", "rm -rf ./*")
	})
	if all, err := os.ReadDir(v.dir); err != nil || len(all) != 0 {
		s.Errorf("%v is left, %v", all, err)
	}
	s.must(s.check(v))
}

func makesLinks(s *stand) {
	v := s.alike(sample, func(p place) {
		p.link("main.c", "src/second") // to a file of the base
		p.write("src/second", "by its second name")
		p.note("main.c is "+p.read("main.c"), nil)
		p.write("new", "x")
		p.link("new", "newer")
		p.link("newer", "src/newest")
		p.remove("new")
		p.link("src/lib.c", "lib")
		p.remove("src/lib.c") // the base's own name goes, the new one stays
		p.symlink("src/second", "soft")
		p.symlink("/etc/hostname", "absolute")
		p.symlink("nowhere", "dangling")
		p.remove("link")
		p.symlink("src", "link")
		p.note("through the link: "+p.read("link/second"), nil)
		p.note("link over what exists", os.Link(p.at("main.c"), p.at("soft")))
		p.note("link a directory", os.Link(p.at("src"), p.at("src2")))
	})
	if a, b := v.stat("newer"), v.stat("src/newest"); a.Ino != b.Ino || a.Nlink != 2 {
		s.Errorf("two names of a new file: inodes %d and %d, %d names", a.Ino, b.Ino, a.Nlink)
	}
}

func changesAttributes(s *stand) {
	act := func(p place) {
		p.chmod("main.c", 0o400)
		p.chmod("src", 0o700)
		p.chmod("src/deep/er", 0o555)
		p.chmod("src/deep/er/file", 0o755)
		for i, n := range names {
			if privileged() {
				p.must(os.Lchown(p.at(n), 1000+i, 2000+i))
			}
		}
		for i, n := range names {
			p.mtime(n, old.Add(time.Duration(-i)*time.Hour))
		}
	}
	v := s.alike(sample, act)
	for i, n := range names {
		st := v.stat(n)
		if got, want := time.Unix(st.Mtim.Unix()), old.Add(time.Duration(-i)*time.Hour); !got.Equal(want) {
			s.Errorf("time of %s = %v, want %v", n, got, want)
		}
		if privileged() && (st.Uid != uint32(1000+i) || st.Gid != uint32(2000+i)) {
			s.Errorf("owner of %s = %d:%d", n, st.Uid, st.Gid)
		}
	}
	v.chmod("src/deep/er", 0o755)
}

func unnamedFile(s *stand) {
	sample(s.base)
	v := s.view("v")
	fd, err := unix.Open(v.at("src"), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o640)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		s.Skipf("there are no unnamed files here: %v", err)
	}
	s.must(err)
	f := os.NewFile(uintptr(fd), "unnamed")
	defer f.Close()
	_, err = f.WriteString("named at last")
	s.must(err)
	s.must(unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, v.at("src/named"), unix.AT_SYMLINK_FOLLOW))
	v.reads(map[string]string{"src/named": "named at last"})
}

// programs does what tools do: they know more tricks than a test thinks of.
func programs(s *stand) {
	s.alike(sample, func(p place) {
		p.run("sh", "-ec", `
			cp -a src copy
			mv copy/deep copy/deeper
			sed -i s/int/long/ main.c
			tar -cf all.tar src empty link
			rm -rf src
			tar -xf all.tar
			rm all.tar
			find . -name file -exec touch -d @1000000000 {} +
			ln -sfn nowhere link
			echo more >> empty-file
			cat main.c main.c > main.d
			mv -f main.d main.c
		`)
		p.note(p.run("sh", "-c", "find . | LC_ALL=C sort"), nil)
	})
}
