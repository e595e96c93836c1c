package drivertest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// havoc does to a tree like sample most of what runs do.
func havoc(p place) {
	p.write("main.c", "overwritten")
	p.renameDir("src/deep", "moved")
	p.remove("moved/er/file")
	p.removeAll("empty")
	p.remove("link")
	p.write("new/file", "new")
	p.chmod("empty-file", 0o600)
	p.mtime("src/lib.c", old)
	p.chmod("src", 0o700)
}

func apart(s *stand) {
	sample(s.base)
	one, two := s.view("one"), s.view("two")
	before := s.manifest(two.dir, everything)
	havoc(one.place)
	if diff := before.diff(s.manifest(two.dir, everything), everything); diff != "" {
		s.Errorf("the other view changed:\n%s", diff)
	}
	s.compare("a view made afterwards", s.view("three").place, "the base", s.base, times)
	changed := s.manifest(one.dir, times)
	havoc(two.place)
	s.must(s.release(two))
	if diff := changed.diff(s.manifest(one.dir, times), times); diff != "" {
		s.Errorf("the first view changed with the second:\n%s", diff)
	}
}

// many is as many runs as a busy host has on one target.
func many(s *stand) {
	n := 200
	if testing.Short() {
		n = 50
	}
	sample(s.base)
	s.freeze()
	views := make([]*view, n)
	for i := range views {
		views[i] = s.empty(fmt.Sprintf("v%d", i))
	}
	s.must(eachOf(views, func(i int, v *view) error {
		_, err := s.d.Create(s.Context(), s.job(v))
		return err
	}))
	s.must(eachOf(views, func(i int, v *view) error {
		own := fmt.Sprintf("of view %d", i)
		return errors.Join(os.WriteFile(v.at("main.c"), []byte(own), 0o644), os.WriteFile(v.at("src/own"), []byte(own), 0o644),
			os.Remove(v.at("empty-file")), s.check(v))
	}))
	for i, v := range views {
		own := fmt.Sprintf("of view %d", i)
		v.reads(map[string]string{"main.c": own, "src/own": own, "src/lib.c": "lib"})
	}
	s.must(eachOf(views, func(_ int, v *view) error { return s.release(v) }))
}

// eachOf calls do for all views, several at a time.
func eachOf(views []*view, do func(int, *view) error) error {
	errs := make([]error, len(views))
	var wg sync.WaitGroup
	const lanes = 8
	for lane := range lanes {
		wg.Go(func() {
			for i := lane; i < len(views); i += lanes {
				errs[i] = do(i, views[i])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
