package drivertest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/internal/rmtree"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// stand is where one behaviour is looked at: a directory with a base and the
// views made of it. When the test is over, the base must be as it was when its
// first view was made, and nothing may be left of the views.
type stand struct {
	*testing.T
	d      driver.Driver
	traits driver.Traits
	top    string
	root   *os.Root
	base   place
	of     *os.Root // base, opened

	before manifest // of the base; nil until its first view
	size   driver.Usage
	views  []*view
}

// view is a view called "tree" in a directory of its own.
type view struct {
	place
	root  *os.Root // its directory; goes along when that is renamed
	usage driver.Usage
}

const viewName = "tree"

func newStand(t *testing.T, d driver.Driver, top string) *stand {
	t.Helper()
	s := &stand{T: t, d: d, traits: d.Traits(), top: top}
	var err error
	s.root, err = os.OpenRoot(top)
	s.must(err)
	t.Cleanup(s.close)
	s.must(d.MakeBase(s.root, "base"))
	s.base = place{s, s.path("base"), &[]string{}}
	s.of, err = s.root.OpenRoot("base")
	s.must(err)
	return s
}

func (s *stand) path(name string) string { return filepath.Join(s.top, name) }

func (s *stand) must(err error) {
	if err != nil {
		s.Helper()
		s.Fatal(err)
	}
}

// plain makes an empty directory that no driver knows of.
func (s *stand) plain(name string) place {
	s.Helper()
	s.must(os.Mkdir(s.path(name), 0o755))
	return place{s, s.path(name), &[]string{}}
}

// view makes a view in a new directory called name.
func (s *stand) view(name string) *view {
	s.Helper()
	v, err := s.try(s.Context(), name)
	s.must(err)
	return v
}

func (s *stand) try(ctx context.Context, name string, change ...func(*driver.Job)) (*view, error) {
	s.Helper()
	s.freeze()
	v := s.empty(name)
	var err error
	v.usage, err = s.d.Create(ctx, s.job(v, change...))
	return v, err
}

// freeze remembers the base as it is now.
func (s *stand) freeze() {
	if s.before == nil {
		s.Helper()
		s.before = s.manifest(s.base.dir, everything)
		s.size = s.before.usage()
	}
}

// empty makes the directory that a view is going to be made in.
func (s *stand) empty(name string) *view {
	s.Helper()
	s.must(os.Mkdir(s.path(name), 0o755))
	root, err := os.OpenRoot(s.path(name))
	s.must(err)
	v := &view{place: place{s, s.path(name + "/" + viewName), &[]string{}}, root: root}
	s.views = append(s.views, v)
	return v
}

// job is what Create made v of, or is going to.
func (s *stand) job(v *view, change ...func(*driver.Job)) driver.Job {
	job := driver.Job{Base: s.of, Size: s.size, Dir: v.root, Name: viewName}
	for _, f := range change {
		f(&job)
	}
	return job
}

func (s *stand) check(v *view) error { return s.d.Check(v.root, viewName) }

// release releases a view that nobody uses any more.
func (s *stand) release(v *view) error {
	return patient(func() error { return driver.Release(v.root, viewName) })
}

// patient tries again for a while when something is in use. What the machine
// does beside the test is not the driver's fault: a process that another test
// starts has all descriptors of this one between fork and exec, and one that
// starts in a mount namespace of its own has all mounts for a while.
func patient(try func() error) error {
	const patience = 5 * time.Second
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		err := try()
		if !errors.Is(err, driver.ErrBusy) && !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}

// close takes everything away as the engine does, and looks whether that works.
func (s *stand) close() {
	defer s.root.Close()
	if s.of != nil {
		defer s.of.Close()
	}
	if s.before != nil {
		if diff := s.before.diff(s.manifest(s.base.dir, everything), everything); diff != "" {
			s.Errorf("the base changed:\n%s", diff)
		}
	}
	for _, v := range s.views {
		if err := s.release(v); err != nil {
			s.Errorf("release %s: %v", v.dir, err)
		}
		v.root.Close()
	}
	for _, m := range s.mounts() {
		s.Errorf("%s is still mounted", m)
		_ = unix.Unmount(m, unix.MNT_DETACH) // what cannot go at once goes with its last user
	}
	dir, err := os.Open(s.top)
	if err != nil {
		s.Error(err)
		return
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	for _, n := range names {
		if rerr := driver.Release(s.root, n); rerr != nil { // a base may be more than its files as well
			err = errors.Join(err, rerr)
		}
		err = errors.Join(err, rmtree.Remove(context.Background(), dir, n)) // the test's own context is done by now
	}
	if err != nil {
		s.Error(err)
	}
}

// mounts returns the mount points in the stand, inner ones first.
func (s *stand) mounts() []string {
	s.Helper()
	below, err := mounts.Below(s.top)
	if err != nil {
		s.Error(err)
	}
	var points []string
	for _, m := range below {
		points = append(points, m.Point)
	}
	return points
}

// privileged says whether the process is root of the machine, not only of a user
// namespace: who may give files away and make devices.
func privileged() bool {
	all, err := os.ReadFile("/proc/self/uid_map")
	return os.Geteuid() == 0 && err == nil && len(strings.Fields(string(all))) == 3 && strings.Fields(string(all))[2] == "4294967295"
}
