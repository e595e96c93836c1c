package workspace

import (
	"errors"
	"path"
	"slices"

	"github.com/cordonlabs/cordon/internal/flock"
)

// lowWatermark is how much of the limit an eviction frees beyond what is asked
// for, so that the next few requests need none: a twentieth.
const lowWatermark = 20

// evict makes room: first by the objects that are kept beside trees, which can do
// without them, then by entries that nobody holds, whole; each the least recently
// used first. It does nothing unless it can free least; once it has, it goes on
// only with entries that do not take it past enough bytes. The caller has the
// janitor's lock.
func (c *Cache) evict(records []*record, least amount, enough int64, cause Cause, why string) (freed amount, err error) {
	objects, entries, ok, err := c.victims(records, least)
	if err != nil || !ok {
		return amount{}, err
	}
	for _, r := range objects {
		if freed.covers(least) {
			return freed, nil
		}
		freed = freed.plus(c.evictObject(r, cause, why))
	}
	if freed.covers(least) {
		return freed, nil // trees go only where objects are not enough
	}
	for _, r := range entries {
		if freed.covers(least) {
			if freed.bytes+r.total() > enough {
				break
			}
			if h, err := c.held(r.Key); h != nil || err != nil {
				continue // looked at here: the first ones were enough for least
			}
		}
		freed = freed.plus(c.evictEntry(r, cause, why))
	}
	return freed, nil
}

// evictable returns, in the order of eviction, those of records whose entries or kept
// objects may go as long as nobody holds them.
func (c *Cache) evictable(records []*record) ([]*record, error) {
	pins, err := c.pins()
	if err != nil {
		return nil, err
	}
	byUse := slices.SortedFunc(slices.Values(records), func(a, b *record) int { return a.lastUsed.Compare(b.lastUsed) })
	return slices.DeleteFunc(byUse, func(r *record) bool { return r.State != complete || pins[r.Key] != nil }), nil
}

// victims returns what to evict for least, in order, and whether that is enough:
// nothing goes in vain for something that does not fit all the same. Behind the
// entries that are needed come the others, held or not; those that are pinned never.
func (c *Cache) victims(records []*record, least amount) (objects, entries []*record, ok bool, err error) {
	byUse, err := c.evictable(records)
	if err != nil {
		return nil, nil, false, err
	}
	var sum amount
	spared := map[key]amount{}
	for _, r := range byUse {
		if sum.covers(least) {
			break
		}
		if r.spareObject() && c.idle(r, flock.Shared) {
			objects = append(objects, r)
			spared[r.Key] = amount{r.Object, 1}
			sum = sum.plus(spared[r.Key])
		}
	}
	for i, r := range byUse {
		if sum.covers(least) {
			return objects, append(entries, byUse[i:]...), true, nil
		}
		h, err := c.held(r.Key)
		if err != nil {
			return nil, nil, false, err
		}
		if h == nil && c.idle(r, flock.Exclusive) {
			entries = append(entries, r)
			sum = sum.plus(r.size()).minus(spared[r.Key])
		}
	}
	return objects, entries, sum.covers(least), nil
}

// reclaimable adds up what an eviction of everything that nobody holds would free.
func (c *Cache) reclaimable(records []*record) (sum amount, err error) {
	byUse, err := c.evictable(records)
	if err != nil {
		return amount{}, err
	}
	held, err := c.heldOf(byUse)
	if err != nil {
		return amount{}, err
	}
	for _, r := range byUse {
		switch {
		case !held[r.Key]:
			sum = sum.plus(r.size())
		case r.spareObject():
			sum = sum.plus(amount{r.Object, 1})
		}
	}
	return sum, nil
}

// spareObject reports whether the entry has an object that it can do without.
// Objects in a run's own directory are the run's.
func (r *record) spareObject() bool { return r.Object > 0 && r.Kind != KindRun }

// idle reports whether nobody works with r's entry at this instant.
func (c *Cache) idle(r *record, mode flock.Mode) bool {
	lock, err := flock.Try(c.root(), r.lock(), mode)
	if lock == nil || err != nil {
		return false
	}
	lock.Unlock()
	return true
}

func (c *Cache) evictEntry(r *record, cause Cause, why string) (freed amount) {
	return c.withRecord(r, flock.Exclusive, func(now *record) (amount, error) {
		if needed, err := c.needed(now.Key); needed || err != nil {
			return amount{}, err
		}
		if err := c.remove(now, cause, why); err != nil {
			return amount{}, err
		}
		c.log.Info("Evicted from cache", "path", c.abs(now.path()), "target_id", now.Target, "bytes", now.total(), "reason", why)
		return now.size(), nil
	})
}

// evictObject needs the entry's lock shared only: whoever reads a kept object has
// it exclusively, and whoever evicts one has the janitor's.
func (c *Cache) evictObject(r *record, cause Cause, why string) (freed amount) {
	return c.withRecord(r, flock.Shared, func(now *record) (amount, error) {
		if now.Object == 0 {
			return amount{}, nil
		}
		if pin, err := c.pinned(now.Key); pin != nil || err != nil {
			return amount{}, err
		}
		return c.dropObject(now, cause, "the kept object goes first: "+why)
	})
}

// dropObject removes the object that is kept beside r's tree. The caller has the
// entry's lock, shared at least, and the janitor's.
func (c *Cache) dropObject(now *record, cause Cause, why string) (amount, error) {
	size, name := amount{now.Object, 1}, path.Join(now.Place, objectName)
	if err := c.unlinkObject(now); err != nil {
		return amount{}, err
	}
	// The file first: a record of an object that is gone only counts too much, until
	// a sweep corrects it. A full disk may have no room for the record, and gets it by
	// what is in the trash all the same.
	there := lstat(c.root(), name) != nil
	if err := c.trashSized(name, size, nil); err != nil {
		return amount{}, err
	}
	now.Object = 0
	if err := c.rewriteRecord(now); err != nil {
		if !there {
			size = amount{}
		}
		return size, err
	}
	c.event(event{Action: "evict object", Key: now.Key, Path: name, Bytes: size.bytes, Reason: why})
	c.observer.Gone(Gone{Kind: KindObject, Cause: cause, Bytes: size.bytes})
	c.log.Info("Evicted from cache", "path", c.abs(name), "target_id", now.Target, "bytes", size.bytes, "reason", why)
	return size, nil
}

// withRecord calls do with r's record as it is once the entry's lock is taken, and
// returns what it freed. Busy means in use: it never waits. That one entry cannot
// be evicted is no reason to keep others.
func (c *Cache) withRecord(r *record, mode flock.Mode, do func(*record) (amount, error)) (freed amount) {
	lock, err := flock.Try(c.root(), r.lock(), mode)
	if lock != nil {
		defer lock.Unlock()
		var now *record
		if now, err = c.readRecord(r.Key); errors.Is(err, errUnreadable) {
			return amount{}
		}
		if err == nil && now != nil && now.State == complete && now.Staging == r.Staging {
			freed, err = do(now)
		}
	}
	if err != nil {
		c.log.Warn("cannot evict from cache", "path", c.abs(r.path()), "error", err)
	}
	return freed
}
