package workspace

import (
	"path"
	"slices"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
)

// lostObjects corrects records of objects that are gone: a crash or a full disk
// kept whoever evicted one from writing it down. The caller has the janitor's lock.
func (s *sweep) lostObjects() error {
	c := s.c
	records, err := c.written()
	if err != nil || s.opts.DryRun {
		return err
	}
	lost := make([]bool, len(records))
	err = abreast(len(records), func(i int) error {
		r := records[i]
		if r.State == complete && r.Content != objectName && r.spareObject() {
			_, err := c.idOf(path.Join(r.Place, objectName))
			lost[i] = gone(err)
		}
		return nil
	})
	for i, r := range records {
		if lost[i] {
			c.evictObject(r, Lost, "it is gone already")
		}
	}
	return err
}

// shrink evicts down to the limit, or to what the caller wants to keep, and until
// the disk has free what is to stay free: as evict, objects first.
func (s *sweep) shrink() error {
	c := s.c
	lock, err := flock.Acquire(s.ctx, c.root(), janitorLock, flock.Exclusive, nil)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := s.lostObjects(); err != nil {
		return err
	}
	// Most of the time there is room, by what the records say alone.
	a, err := c.account(nil, false, nil)
	if err == nil && (s.opts.DryRun || s.opts.Shrink || s.plan != nil || a.used() > a.limit || a.disk(amount{}).minus(a.trash).any()) {
		a, err = c.account(nil, true, nil)
	}
	if err != nil || a.records == nil {
		return err
	}
	keep, cause, why := a.limit, ForLimit, "the cache is over its limit (CACHE_MAX_SIZE)"
	if s.opts.Shrink {
		keep, cause, why = s.opts.KeepBytes, ForUser, "asked to shrink to "+cordon.FormatBytes(s.opts.KeepBytes)
	}
	if s.plan != nil {
		keep, cause, why = s.plan.Keep, ForUser, "planned: to shrink to "+cordon.FormatBytes(s.plan.Keep)
	}
	s.shrunk = keep
	left := slices.DeleteFunc(a.records, func(r *record) bool { return s.gone[r.Key] || r.State != complete })
	over := a.reserved - keep
	for _, r := range left {
		over += r.total()
	}
	disk := a.disk(amount{}).minus(a.trash)
	if s.opts.DryRun {
		for key := range s.gone { // they would be in the trash
			if r, err := c.readRecord(key); r != nil && err == nil {
				disk = disk.minus(r.size())
			}
		}
	}
	if over <= 0 {
		cause, why = ForDisk, "the disk has less free than is to stay free (CACHE_MIN_FREE)"
	}
	if left, err = c.evictable(left); err != nil {
		return err
	}
	need := amount{max(over, disk.bytes), disk.inodes}
	spared := map[key]bool{}
	for _, r := range left {
		if !need.any() {
			return nil
		}
		if !r.spareObject() {
			continue
		}
		gone := false
		object := c.removal(r, "the kept object goes first: "+why)
		object.Key, object.Path, object.Bytes = "", c.abs(path.Join(r.Place, objectName)), r.Object // the entry stays
		err := s.did(object, func() (bool, error) {
			gone = c.evictObject(r, cause, why).any()
			return gone, nil
		})
		if err != nil {
			return err
		}
		if gone || s.opts.DryRun {
			spared[r.Key] = true
			need = need.minus(amount{r.Object, 1})
		}
	}
	for _, r := range left {
		if !need.any() {
			return nil
		}
		needed, err := c.needed(r.Key)
		if err != nil {
			return err
		}
		if needed {
			continue
		}
		size := r.size()
		if spared[r.Key] {
			size = size.minus(amount{r.Object, 1})
		}
		entry := c.removal(r, why)
		entry.Bytes = size.bytes
		err = s.did(entry, func() (bool, error) {
			return c.evictEntry(r, cause, why).any(), nil
		})
		if err != nil {
			return err
		}
		if s.gone[r.Key] {
			need = need.minus(size)
		}
	}
	return nil
}
