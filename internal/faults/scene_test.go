package faults_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
)

// ahead is how far the clock of those who look afterwards is ahead: what somebody
// may still be about to rename is swept once it is an hour old.
const ahead = 2 * time.Hour

// scene is a store, a cache, and runs that work in it all the time.
type scene struct {
	testing.TB
	settings
	near []bystander
	log  *log

	clones   bool   // the file system lets files share blocks
	versions []tree // what the wanted target may be: a run that got one keeps it
	lenient  bool   // a tree that could not be read may count as tampered with
}

// bystander is a run that nothing may hurt. No process that asked for its workspace
// lives: what it holds counts because it is written down.
type bystander struct {
	target, run, mode, path string
	has                     tree
}

// newScene makes a scene on a file system in memory, where syncing costs nothing;
// or in a temporary directory, where nothing can be mounted.
func newScene(t testing.TB, driver string) *scene {
	t.Helper()
	top := ""
	if os.Geteuid() == 0 {
		top = loopfs.New(t, "tmpfs", 256<<20)
	} else {
		top = t.TempDir()
	}
	return newSceneIn(t, top, driver)
}

// newSceneIn has its store elsewhere: on a full disk it is not in the way.
func newSceneIn(t testing.TB, top, driver string) *scene {
	t.Helper()
	s := &scene{TB: t, log: &log{}, settings: settings{Dir: filepath.Join(top, "cache"), Store: filepath.Join(t.TempDir(), "store"), Driver: driver}}
	t.Cleanup(func() { mountstest.UnmountBelow(t, top) })
	return s
}

// bystanders lets one run of each mode begin to work.
func (s *scene) bystanders() {
	s.Helper()
	s.put("near", small)
	for _, mode := range []string{"isolated", "shared", "copy-on-write"} {
		b := bystander{target: "near", run: "bystander-" + mode, mode: mode, has: small}
		b.path = carryOut(s, order{settings: s.settings, Op: opGet, Target: b.target, Run: b.run, Mode: mode}).Path
		if mode != "shared" {
			b.has = small.with("main.c", "overwritten").with("found", random(7, 20_000))
			for _, n := range []string{"main.c", "found"} {
				must(s, os.WriteFile(filepath.Join(b.path, n), []byte(b.has[n]), 0o644))
			}
		}
		s.near = append(s.near, b)
	}
}

func (s *scene) put(id string, content tree) {
	s.Helper()
	s.putFile(id, content.tarball(s))
}

func (s *scene) putFile(id string, content []byte) {
	s.Helper()
	file := filepath.Join(s.Store, "targets", id, "target")
	must(s, os.MkdirAll(filepath.Dir(file), 0o755))
	must(s, os.WriteFile(file+".new", content, 0o644))
	must(s, os.Rename(file+".new", file))
}

func (s *scene) path(name string) string { return filepath.Join(s.Dir, name) }

// open opens the cache in this process, for what has to be found out afterwards.
// close it before another process works.
func (s *scene) open() *workspace.Cache {
	s.Helper()
	o := s.settings
	o.Ahead = ahead
	c, err := o.open(s.log)
	must(s, err)
	return c
}

// get lets a process that ends afterwards get a workspace.
func (s *scene) get(id, run, mode string) string {
	s.Helper()
	return carryOut(s, order{settings: s.settings, Op: opGet, Target: id, Run: run, Mode: mode}).Path
}

func (s *scene) cleanup(path, run string) {
	s.Helper()
	carryOut(s, order{settings: s.settings, Op: opCleanup, Path: path, Run: run})
}

// clear takes away everything but what the bystanders have.
func (s *scene) clear() {
	s.Helper()
	c := s.open()
	defer c.Close()
	all, err := c.Entries()
	must(s, err)
	for _, e := range all {
		for _, h := range e.Holders {
			if e.Kind != workspace.KindBase && !s.standsBy(h.Run) {
				_, err := c.Cleanup(s.Context(), e.Path, workspace.Caller{Run: h.Run})
				must(s, err)
			}
		}
	}
	// A view keeps its base until it is deleted, which happens behind the cleanup's back.
	for deadline := time.Now().Add(10 * time.Second); ; {
		rep, err := c.Sweep(s.Context(), workspace.SweepOptions{Shrink: true})
		must(s, err)
		all, err := c.Entries()
		must(s, err)
		all = slices.DeleteFunc(all, func(e workspace.Entry) bool { return e.Target == mustTarget("near") })
		if len(all) == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("%d entries stay, among them %+v; deferred: %+v", len(all), all[0], rep.Deferred)
		}
	}
}

func (s *scene) standsBy(run string) bool {
	for _, b := range s.near {
		if b.run == run {
			return true
		}
	}
	return false
}

// log collects what caches of this process log.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// take returns the last of what was logged, and forgets all of it.
func (l *log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return tail(l.buf.String())
}

// remove deletes what no mount is in.
func (s *scene) remove(path string) {
	s.Helper()
	must(s, os.RemoveAll(path))
}
