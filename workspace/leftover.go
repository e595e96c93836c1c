package workspace

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/flock"
)

// What crashes leave behind, apart from entries: each kind has its own sign of
// being nobody's any more.

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
