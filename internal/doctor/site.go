package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/internal/rmtree"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workspace"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// site is the place that is looked at, and what its checks share. Each of its
// functions finds out once, whoever asks first.
type site struct {
	Env

	ground func() (ground, error)
	trial  func() (*os.Root, error)
	cache  func() (*workspace.Cache, error)
	cow    func() (workspace.CowChoice, error)
	store  func() (worker.Store, error)

	mu   sync.Mutex
	left bool
	undo []func() // what undoes what was made, the last first
}

// ground is where the cache is, or would be made.
type ground struct {
	dir    string // CACHE_DIR
	at     string // the directory of those on the way to dir that is there already; dir itself where it exists
	exists bool   // dir does
	cache  bool   // and it is a cache
}

const (
	stateDir    = ".cordon"
	versionFile = stateDir + "/version"

	// trialPrefix begins the names of what is made for a while. A sweep removes
	// what has such names in the cache's own directory and is an hour old.
	trialPrefix = ".tmp-doctor-"

	// leaveTimeout is how long tidying up may take on a disk that hangs.
	leaveTimeout = 5 * time.Second
)

var (
	errLeft    = errors.New("the visit is over")
	errNoCache = errors.New("there is no cache yet")
)

func newSite(env Env) *site {
	s := &site{Env: env}
	s.ground = sync.OnceValues(s.findGround)
	s.trial = sync.OnceValues(s.makeTrial)
	s.cache = sync.OnceValues(s.openCache)
	s.cow = sync.OnceValues(s.chooseDriver)
	s.store = sync.OnceValues(s.openStore)
	return s
}

func (s *site) findGround() (ground, error) {
	g := ground{dir: s.Config.CacheDir, at: s.Config.CacheDir}
	if g.dir == "" {
		return g, errors.New("no cache directory is set, and there is no home to put one in")
	}
	for {
		info, err := os.Stat(g.at)
		switch {
		case err == nil && !info.IsDir():
			return g, &fs.PathError{Op: "look at", Path: g.at, Err: unix.ENOTDIR}
		case err == nil:
			g.exists = g.at == g.dir
			if g.exists {
				_, err := os.Lstat(filepath.Join(g.dir, versionFile))
				g.cache = !errors.Is(err, fs.ErrNotExist) // one that may not be looked into is one
			}
			return g, nil
		case !errors.Is(err, fs.ErrNotExist):
			return g, err
		}
		g.at = filepath.Dir(g.at)
	}
}

// makeTrial makes a directory to try things in, on the cache's file system.
func (s *site) makeTrial() (*os.Root, error) {
	g, err := s.ground()
	if err != nil {
		return nil, err
	}
	parent := g.at
	if g.cache {
		parent = filepath.Join(g.dir, stateDir)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left {
		return nil, errLeft
	}
	dir, err := os.MkdirTemp(parent, trialPrefix)
	if err != nil {
		return nil, fmt.Errorf("nothing can be made in %s: %w", parent, cause(err))
	}
	s.later(func() { s.remove(parent, filepath.Base(dir)) })
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	s.later(func() { _ = root.Close() }) // a directory's descriptor; nothing to lose
	return root, nil
}

func (s *site) remove(parent, name string) {
	if err := s.tryRemove(parent, name); err != nil {
		s.Logger.Warn("a trial directory could not be removed; it may be deleted by hand", "dir", filepath.Join(parent, name), "error", err)
	}
}

func (s *site) tryRemove(parent, name string) error {
	dir, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer dir.Close()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	unmounting := mounts.UnmountBelow(filepath.Join(parent, name)) // a check that was given up may have left one
	if err := rmtree.Remove(ctx, dir, name); err != nil {
		return errors.Join(unmounting, err)
	}
	return nil // what could not be looked for was not there
}

// openCache opens the cache where there is one: looking must not make one. What
// its file system is, is a question of its own.
func (s *site) openCache() (*workspace.Cache, error) {
	g, err := s.ground()
	if err != nil {
		return nil, err
	}
	if !g.cache {
		return nil, errNoCache
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left {
		return nil, errLeft
	}
	c, err := workspace.Open(workspace.Options{
		Dir: g.dir, MaxSize: s.Config.MaxSize, TTL: s.Config.TTL, CowDriver: s.Config.CowDriver,
		AllowNetworkFS: true, Logger: s.Logger, Now: s.Now,
	})
	if err != nil {
		return nil, err
	}
	s.later(func() {
		if err := c.Close(); err != nil {
			s.Logger.Warn("closing the cache failed; nothing is lost by it", "error", err)
		}
	})
	return c, nil
}

// chooseDriver tries the drivers where the cache would: in a staging directory
// that its sweeps know of, or, as long as there is no cache, in one of ours.
func (s *site) chooseDriver() (workspace.CowChoice, error) {
	c, err := s.cache()
	if err == nil {
		return c.CowDriver()
	}
	if !errors.Is(err, errNoCache) {
		return workspace.CowChoice{}, err
	}
	trial, err := s.trial()
	if err != nil {
		return workspace.CowChoice{}, err
	}
	dir, err := subdirectory(trial, "drivers")
	if err != nil {
		return workspace.CowChoice{}, err
	}
	defer dir.Close()
	choice := workspace.CowChoice{Probed: driver.Probe(dir)}
	usable, why, err := driver.Choose(s.Config.CowDriver, choice.Probed)
	if err != nil {
		return choice, err
	}
	choice.Name, choice.Why = usable[0].Name(), why
	for _, d := range usable {
		choice.Usable = append(choice.Usable, d.Name())
	}
	return choice, nil
}

// subdirectory makes a directory in the trial's.
func subdirectory(trial *os.Root, what string) (*os.Root, error) {
	name := trialPrefix + what
	if err := trial.Mkdir(name, 0o755); err != nil {
		return nil, err
	}
	return trial.OpenRoot(name)
}

// later keeps f for when the visit is over. The caller has the lock.
func (s *site) later(f func()) { s.undo = append(s.undo, f) }

// leave undoes what was made, and waits for that unless the disk hangs.
func (s *site) leave() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.mu.Lock() // a check that was given up may have it for as long as the disk hangs
		defer s.mu.Unlock()
		s.left = true
		for i := len(s.undo) - 1; i >= 0; i-- {
			s.undo[i]()
		}
	}()
	select {
	case <-done:
	case <-time.After(leaveTimeout):
	}
}
