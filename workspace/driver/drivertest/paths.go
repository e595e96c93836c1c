package drivertest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

func keepsOddNames(s *stand) {
	odd := []string{"with space", "with\nnewline", "-dash", "comma,colon:equals=", "\xff\xfe not utf-8", "☃", strings.Repeat("n", 255),
		`back\slash`, "...", " ", "*", "a'b\"c$d`e", ".wh.whiteout", ".wh..wh..opq", "tree", ".overlay", "CON", "e\u0301", "é"}
	for i, n := range odd {
		s.base.write(n, n)
		s.base.mkdir(fmt.Sprintf("d%d/%s", i, n))
	}
	v := s.fresh()
	for i, n := range odd {
		v.reads(map[string]string{n: n})
		v.write(n, "changed")
		v.renameDir(fmt.Sprintf("d%d/%s", i, n), "d0/to "+n[:min(len(n), 250)])
		v.remove(n)
	}
}

// keepsDeep has paths as long as extraction lets them be: 128 levels, 4,096 bytes.
func keepsDeep(s *stand) {
	base, err := os.OpenRoot(s.base.dir)
	s.must(err)
	defer base.Close()
	dirs := strings.Repeat(strings.Repeat("d", 31)+"/", 127)
	s.must(base.MkdirAll(path.Clean(dirs), 0o755))
	s.must(base.WriteFile(dirs+"file", []byte("deep"), 0o644))
	v := s.fresh()
	root, err := os.OpenRoot(v.dir)
	s.must(err)
	defer root.Close()
	s.must(root.WriteFile(dirs+"file", []byte("changed"), 0o644))
	if b, err := base.ReadFile(dirs + "file"); err != nil || string(b) != "deep" {
		s.Errorf("in the base: %q, %v", b, err)
	}
}

func keepsMany(s *stand) {
	const n = 1000
	s.base.mkdir("many")
	for i := range n {
		s.base.must(os.WriteFile(s.base.at(fmt.Sprintf("many/file-%d", i)), []byte(fmt.Sprint(i)), 0o644))
	}
	v := s.fresh()
	v.write("many/file-7", "changed")
	v.remove("many/file-8")
	v.write("many/new", "new")
	v.reads(map[string]string{"many/file-6": "6", "many/file-7": "changed", "many/new": "new"})
	if all, err := os.ReadDir(v.at("many")); err != nil || len(all) != n {
		s.Errorf("%d files, %v; want %d", len(all), err, n)
	}
}

func anyPath(s *stand) {
	sample(s.base)
	for _, name := range []string{"comma,colon:equals=back\\slash", "with space and\nnewline", "☃ " + strings.Repeat("n", 250)} {
		v := s.view(name)
		s.compare("the view in "+name, v.place, "its base", s.base, times)
		v.write("main.c", "changed")
		s.must(s.check(v))
	}
	// A path that is longer than what fits where options are strings.
	long := filepath.Join(strings.Repeat("p", 200), strings.Repeat("q", 200), strings.Repeat("r", 200))
	s.must(os.MkdirAll(s.path(long), 0o755))
	v := s.view(long + "/v")
	s.compare("the view under a long path", v.place, "its base", s.base, times)
	s.must(s.check(v))
}

func strictUmask(s *stand) {
	sample(s.base)
	s.base.write("shared", "x")
	s.base.chmod("shared", 0o666)
	s.base.chmod("src", 0o777)
	s.base.chmod(".", 0o755)
	s.freeze()
	v := s.empty("v")
	c := s.child(order{Op: opCreate, Umask: 0o077}, v)
	c.ready()
	c.next()
	c.wait()
	s.compare("a view made by another process", v.place, "its base", s.base, times)
	v.write("main.c", "changed")
	v.reads(map[string]string{"main.c": "changed"})
}
