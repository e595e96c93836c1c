package workspace

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/flock"
)

// What crashes leave behind, apart from entries: each kind has its own sign of
// being nobody's any more.

// staleLock is how old a lock file must be before a sweep removes it. It may be
// in use all the same; whoever locks it notices that it lost its name.
const staleLock = 24 * time.Hour

// staleTemp is how old a temporary file must be before nobody can be about to
// rename it: writing one takes milliseconds.
const staleTemp = time.Hour

// deadStaging clears what processes that died were making.
func (s *sweep) deadStaging() error {
	c := s.c
	for _, dir := range []string{stagingDir, reservationsDir} {
		ids, err := c.list(dir)
		if err != nil {
			return err
		}
		for _, id := range ids {
			note := path.Join(reservationsDir, id)
			f, err := c.root().OpenFile(note, os.O_RDWR, 0)
			var size amount
			switch {
			case err == nil:
				// Shared, as whoever adds reservations up: two that look at one must not
				// take each other for its owner.
				if flockNow(f, unix.LOCK_SH) != nil {
					f.Close()
					continue
				}
				if _, published, err := c.totals([]string{id}); err != nil {
					f.Close()
					return err
				} else if r, err := readPromise(f); err == nil && !published[id] {
					size = amount{r.Bytes, r.Inodes}
				}
			case !errors.Is(err, fs.ErrNotExist):
				return err
			}
			where := path.Join(stagingDir, id)
			err = s.did(Removal{Path: c.abs(where), Reason: "whoever was making it died"}, func() (bool, error) {
				ok := c.trashStaging(id, size) == nil
				if err := c.root().Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return false, err
				}
				return ok, nil
			})
			if f != nil {
				f.Close()
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// notes forgets what is written down of entries that are gone.
func (s *sweep) notes() error {
	c := s.c
	if s.opts.DryRun {
		return nil
	}
	// In this order: a note that belongs to no work under way any more has a record
	// by then, or never gets one.
	var names []string
	for _, dir := range []string{settledDir, manifestsDir} {
		ids, err := c.list(dir)
		if err != nil {
			return err
		}
		for _, id := range ids {
			names = append(names, path.Join(dir, id))
		}
	}
	underWay, err := c.list(reservationsDir)
	if err != nil {
		return err
	}
	records, err := c.written()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, id := range underWay {
		known[id] = true
	}
	for _, r := range records {
		known[r.Staging] = true
	}
	for _, n := range names {
		if !known[path.Base(n)] {
			_ = c.root().Remove(n) // if it stays, it is removed next time
		}
	}
	return nil
}

// quarantined clears what a crash left of moving something to the quarantine.
func (s *sweep) quarantined() error {
	c := s.c
	names, err := c.list(quarantineDir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if r, err := c.readRecord(key(n)); err != nil || r != nil {
			continue
		}
		where := path.Join(quarantineDir, n)
		if err := s.did(Removal{Path: c.abs(where), Reason: "no record tells of it"}, func() (bool, error) { return c.trash(where), nil }); err != nil {
			return err
		}
	}
	return nil
}

// tombstones carries out cleanups that whoever was making the workspace died over.
func (s *sweep) tombstones() error {
	c := s.c
	keys, err := c.list(tombstonesDir)
	if err != nil {
		return err
	}
	for _, k := range keys {
		err := s.did(Removal{Key: k, Path: c.abs(tombstone(key(k))), Reason: "its run was cleaned up"}, func() (bool, error) {
			lock, err := flock.Try(c.root(), runLock(key(k)), flock.Exclusive)
			if lock == nil || err != nil {
				return false, err
			}
			defer lock.Unlock()
			err = c.obeyLocked(key(k))
			return err == nil, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lockFiles removes old lock files, each while holding it. Those of entries stay:
// who removes an entry because the disk is full could not make them anew.
func (s *sweep) lockFiles() error {
	c := s.c
	if s.opts.DryRun {
		return nil
	}
	records, err := c.written()
	if err != nil {
		return err
	}
	needed := map[string]bool{janitorLock: true, sweepLock: true}
	for _, r := range records {
		needed[r.lock()], needed[chooserLock(r.Target)] = true, true
	}
	d, err := c.root().Open(locksDir)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
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

// tempFiles removes what a crash left between writing and renaming.
func (s *sweep) tempFiles() error {
	if s.opts.DryRun || s.plan != nil {
		return nil
	}
	g, err := s.glance()
	if err != nil {
		return err
	}
	// One with a second name is published: the time is that of what it became.
	stale := func(info fs.FileInfo) bool {
		links, _, _ := allocation(info)
		return info.Mode().IsRegular() && links > 1 || s.c.now().Sub(info.ModTime()) > staleTemp
	}
	for _, name := range g.temporary {
		if info := lstat(s.c.root(), name); info != nil && stale(info) {
			_ = s.c.root().Remove(name) // if it stays, it is removed next time
		}
	}
	for _, dir := range []string{stateDir, locksDir, recordsDir, reservationsDir, tombstonesDir, settledDir, manifestsDir, pinsDir, plansDir, salvageDir} {
		d, err := s.c.root().Open(dir)
		if err != nil {
			return err
		}
		names, err := d.Readdirnames(-1)
		d.Close()
		if err != nil {
			return err
		}
		for _, n := range names {
			if !strings.HasPrefix(n, ".tmp-") {
				continue
			}
			info := lstat(s.c.root(), path.Join(dir, n))
			switch {
			case info == nil || !stale(info):
			case info.IsDir():
				s.c.trash(path.Join(dir, n))
			default:
				_ = s.c.root().Remove(path.Join(dir, n)) // if it stays, it is removed next time
			}
		}
	}
	return nil
}

// trash deletes what was taken away, by whomever.
func (s *sweep) trash() error {
	if s.opts.DryRun {
		return nil
	}
	stuck, err := s.c.emptyTrash(s.ctx)
	for n, err := range stuck {
		s.report.Deferred = append(s.report.Deferred, Removal{Path: s.c.abs(path.Join(trashDir, n)), Reason: err.Error()})
	}
	return err
}
