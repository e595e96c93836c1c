package workspace

import (
	"errors"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/flock"
)

// The cache's own small files outlive what they are about: what a crash left of them, and
// those that nobody needs any more, go without a word.

// staleLock is how old a lock file must be before a sweep removes it. It may be
// in use all the same; whoever locks it notices that it lost its name.
const staleLock = 24 * time.Hour

// staleTemp is how old a temporary file must be before nobody can be about to
// rename it: writing one takes milliseconds.
const staleTemp = time.Hour

// ownFiles clears the cache's own files.
func (s *sweep) ownFiles() error {
	parts := []func() error{s.lockFiles, s.notes, s.tempFiles}
	problems := make([]error, len(parts)) // of one; the others do theirs all the same
	_ = abreast(len(parts), func(i int) error { problems[i] = parts[i](); return nil })
	return errors.Join(problems...)
}

// listings are the names that a sweep found in directories of the cache's own.
type listings struct {
	mu    sync.Mutex
	names map[string][]string
}

// names returns what was in dir, temporary files too, when this sweep asked first.
func (s *sweep) names(dir string) ([]string, error) {
	l := &s.listings
	l.mu.Lock()
	defer l.mu.Unlock()
	if names, known := l.names[dir]; known {
		return names, nil
	}
	d, err := s.c.root().Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	if l.names == nil {
		l.names = map[string][]string{}
	}
	l.names[dir] = names
	return names, nil
}

// lockFiles removes old lock files, each while holding it. Those of entries stay:
// who removes an entry because the disk is full could not make them anew.
func (s *sweep) lockFiles() error {
	c := s.c
	records, err := c.written()
	if err != nil {
		return err
	}
	locks := make([][2]string, len(records)) // hashing their names takes most of the time
	err = abreast(len(records), func(i int) error {
		locks[i] = [2]string{records[i].lock(), chooserLock(records[i].Target)}
		return nil
	})
	if err != nil {
		return err
	}
	needed := make(map[string]bool, 2*len(records)+2)
	needed[janitorLock], needed[sweepLock] = true, true
	for _, l := range locks {
		needed[l[0]], needed[l[1]] = true, true
	}
	names, err := s.names(locksDir)
	if err != nil {
		return err
	}
	d, err := c.root().Open(locksDir)
	if err != nil {
		return err
	}
	defer d.Close()
	for _, n := range names {
		name := locksDir + "/" + n
		if needed[name] {
			continue
		}
		var st unix.Stat_t
		err := unix.Fstatat(int(d.Fd()), n, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil || c.now().Sub(time.Unix(st.Mtim.Unix())) < staleLock {
			continue
		}
		if lock, err := flock.Try(c.root(), name, flock.Exclusive); lock != nil && err == nil {
			_ = c.root().Remove(name) // if it stays, it is removed next time
			lock.Unlock()
		}
	}
	return nil
}

// tempHolds removes holds that a crash left between writing and renaming.
func (s *sweep) tempHolds() error {
	if s.opts.DryRun || s.plan != nil {
		return nil
	}
	g, err := s.glance()
	if err != nil {
		return err
	}
	for _, name := range g.temporary {
		s.removeStale(name)
	}
	return nil
}

// tempFiles removes what else a crash left between writing and renaming.
func (s *sweep) tempFiles() error {
	for _, dir := range []string{stateDir, locksDir, recordsDir, reservationsDir, tombstonesDir, settledDir, manifestsDir, pinsDir, plansDir, salvageDir} {
		names, err := s.names(dir)
		if err != nil {
			return err
		}
		for _, n := range names {
			if strings.HasPrefix(n, ".tmp-") {
				s.removeStale(path.Join(dir, n))
			}
		}
	}
	return nil
}

// removeStale removes the temporary file name if nobody is about to rename it.
func (s *sweep) removeStale(name string) {
	info := lstat(s.c.root(), name)
	if info == nil {
		return
	}
	// One with a second name is published: the time is that of what it became.
	links, _, _ := allocation(info)
	switch {
	case (!info.Mode().IsRegular() || links == 1) && s.c.now().Sub(info.ModTime()) <= staleTemp:
	case info.IsDir():
		s.c.trash(name)
	default:
		_ = s.c.root().Remove(name) // if it stays, it is removed next time
	}
}

// notes forgets what is written down of entries that are gone.
func (s *sweep) notes() error {
	c := s.c
	// In this order: a note that belongs to no work under way any more has a record
	// by then, or never gets one.
	settled, err := s.names(settledDir)
	if err != nil {
		return err
	}
	manifests, err := s.names(manifestsDir)
	if err != nil {
		return err
	}
	underWay, err := c.list(reservationsDir)
	if err != nil {
		return err
	}
	records, err := c.written()
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(underWay)+len(records))
	for _, id := range underWay {
		known[id] = true
	}
	for _, r := range records {
		known[r.Staging] = true
	}
	forget := func(dir string, ids []string) {
		for _, id := range ids {
			if !known[id] && !strings.HasPrefix(id, ".") {
				_ = c.root().Remove(path.Join(dir, id)) // if it stays, it is removed next time
			}
		}
	}
	forget(settledDir, settled)
	forget(manifestsDir, manifests)
	return nil
}
