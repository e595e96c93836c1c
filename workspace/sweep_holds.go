package workspace

import (
	"errors"
	"path"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// strayHolds ends holds on entries that do not exist, and expired ones.
func (s *sweep) strayHolds() error {
	c := s.c
	// Nothing in the trash is mounted any more, so that no view there is in use.
	unmounted := func() bool {
		left, err := mounts.Below(path.Join(c.realDir(), trashDir))
		return err == nil && len(left) == 0
	}
	keys, err := c.list(holdsDir)
	if err != nil {
		return err
	}
	records, err := c.written()
	if err != nil {
		return err
	}
	recorded := map[key]bool{}
	for _, r := range records {
		recorded[r.Key] = true
	}
	for _, k := range keys {
		if s.gone[key(k)] {
			continue // its holds go, or went, with it
		}
		if fine, err := s.noneStrays(key(k)); err != nil {
			return err
		} else if fine && recorded[key(k)] {
			continue
		}
		all, err := c.holds(key(k))
		if err != nil {
			return err
		}
		r, err := c.readRecord(key(k))
		if err != nil && !errors.Is(err, errUnreadable) {
			return err
		}
		for name, h := range all {
			why := ""
			doomed := func(h *hold) bool { return !s.counts(h) }
			switch {
			case s.keeps[name]:
				continue
			case h.live && h.Entry != "" && !c.hasView(h) && unmounted():
				// Another process than the one that made the view cleaned it up, and the
				// view was in use then: nobody was left to end this.
				why = "the view of run " + h.Run + " is gone"
				err := s.did(Removal{Path: c.abs(name), Reason: why}, func() (bool, error) {
					return c.drop(name) || lstat(c.root(), name) == nil, nil // whoever deletes the view may be quicker
				})
				if err != nil {
					return err
				}
				continue
			case h.live:
				continue
			case !s.counts(h):
				if why = s.over(h); why != "" {
					why = "run " + h.Run + " holds it, and " + why
				} else {
					why = "the hold of run " + h.Run + " has expired"
				}
			case r == nil:
				// A hold is made before its entry, by a process that lives until then.
				why = "run " + h.Run + " holds an entry that does not exist"
				// Once its lock is ours there is the entry, or nobody makes it any more.
				doomed = func(*hold) bool {
					r, err := c.readRecord(key(k))
					return r == nil && (err == nil || errors.Is(err, errUnreadable))
				}
			default:
				continue
			}
			err := s.did(Removal{Path: c.abs(name), Reason: why}, func() (bool, error) { return c.dropIf(name, doomed) })
			if err != nil {
				return err
			}
		}
		if !s.opts.DryRun && r == nil {
			_ = c.root().Remove(path.Join(holdsDir, k)) // fails while there are holds in it, as it should
		}
	}
	return nil
}
