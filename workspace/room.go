package workspace

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/internal/fsinfo"
)

// defaultMaxSize is the seed's default for CACHE_MAX_SIZE.
const defaultMaxSize = 10 * cordon.GB

// lowWatermark is how much of the limit an eviction frees beyond what is asked
// for, so that the next few requests need none: a twentieth.
const lowWatermark = 20

// roomPoll is how often somebody who waits for others to give disk back looks again.
const roomPoll = 50 * time.Millisecond

// limit returns the most bytes that the cache may take.
func (c *Cache) limit() (int64, error) {
	if c.maxSize.IsZero() {
		return defaultMaxSize, nil
	}
	space, err := fsinfo.SpaceAt(c.dir)
	if err != nil {
		return 0, err
	}
	return c.maxSize.Of(space.Total), nil
}

// need reserves bytes more for s, evicting what nobody holds where the limit
// asks for it. The ceiling is hard: what does not fit is NoSpace before it is
// written, and TargetTooLarge if it could not fit into an empty cache.
func (s *staging) need(ctx context.Context, more int64) error {
	for {
		short, err := s.tryNeed(ctx, more)
		if err != nil || short == nil {
			return err
		}
		if !short.wait {
			return short.err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(roomPoll):
		}
	}
}

type shortage struct {
	err  error
	wait bool // somebody else may give room back
}

func (s *staging) tryNeed(ctx context.Context, more int64) (*shortage, error) {
	c := s.c
	lock, err := flock.Acquire(ctx, c.root(), janitorLock, flock.Exclusive, nil)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()

	want := s.note.Bytes + more
	// What the records say is enough where there is room. Whether their entries are
	// all in place is only looked at where there is none.
	a, err := c.account(s, false)
	if err == nil && a.used()+want > a.limit {
		a, err = c.account(s, true)
	}
	if err != nil {
		return nil, err
	}
	over := a.used() + want - a.limit
	if over > 0 {
		freed, err := c.evict(a.records, over, over+a.limit/lowWatermark, "room for "+s.what)
		if err != nil {
			return nil, err
		}
		over -= freed
	}
	if over <= 0 {
		return nil, s.promise(want)
	}
	return a.shortage(s, want, over), nil
}

// account is what the records and reservations of all processes add up to.
type account struct {
	limit    int64
	records  []*record
	recorded int64
	others   []reservation
	reserved int64
}

func (a *account) used() int64 { return a.recorded + a.reserved }

// account adds everything up but what s itself has reserved. An exact account
// leaves out what somebody removed by hand. The caller has the janitor's lock.
func (c *Cache) account(s *staging, exact bool) (*account, error) {
	a := &account{}
	var err error
	if a.limit, err = c.limit(); err != nil {
		return nil, err
	}
	// Reservations before records: work that is done meanwhile shows up twice, and
	// is told by its staging id. The other way round it would show up not at all.
	all, err := c.reservations()
	if err != nil {
		return nil, err
	}
	records, _, err := c.records()
	if err != nil {
		return nil, err
	}
	// What somebody removed by hand takes no disk and cannot be evicted.
	a.records = slices.DeleteFunc(records, func(r *record) bool { return exact && r.State == complete && c.missing(r) != "" })
	published := map[string]bool{}
	for _, r := range a.records {
		if r.State == complete {
			a.recorded += r.total()
			published[r.Staging] = true
		}
	}
	for _, o := range all {
		if o.Bytes > 0 && (s == nil || o.ID != s.id) && !published[o.ID] {
			a.others = append(a.others, o)
			a.reserved += o.Bytes
		}
	}
	return a, nil
}

func (a *account) shortage(s *staging, want, over int64) *shortage {
	size := cordon.FormatBytes
	if want > a.limit {
		return &shortage{err: &cordon.Error{Kind: cordon.TargetTooLarge, Op: "reserve disk",
			Err: fmt.Errorf("needs %s or more, and the whole cache may take %s", size(want), size(a.limit)),
			Fix: "raise CACHE_MAX_SIZE"}}
	}
	eldest := !slices.ContainsFunc(a.others, func(o reservation) bool { return o.elder(s.note) })
	return &shortage{
		wait: len(a.others) > 0 && (s.note.Bytes == 0 || eldest),
		err: &cordon.Error{Kind: cordon.NoSpace, Op: "reserve disk",
			Err: fmt.Errorf("needs %s, of which %s do not fit: of %s (CACHE_MAX_SIZE) runs hold %s and work under way has reserved %s",
				size(want), size(over), size(a.limit), size(a.recorded), size(a.reserved)),
			Fix: "wait for runs to end, clean up their workspaces ('cordon cache ls' shows who holds what), or raise CACHE_MAX_SIZE"},
	}
}

// evict makes room: first by the objects that are kept beside trees, which can do
// without them, then by entries that nobody holds, whole; each the least recently
// used first. It does nothing unless it can free least bytes; once it has, it
// goes on only with entries that do not take it past enough. The caller has the
// janitor's lock.
func (c *Cache) evict(records []*record, least, enough int64, why string) (freed int64, err error) {
	objects, entries, sum, err := c.evictable(records)
	if err != nil || sum < least {
		return 0, err
	}
	for _, r := range objects {
		if freed >= least {
			return freed, nil
		}
		freed += c.evictObject(r, why)
	}
	for _, r := range entries {
		if freed >= least && freed+r.total() > enough {
			break
		}
		freed += c.evictEntry(r, why)
	}
	return freed, nil
}

// evictable returns the entries that have an object beside a tree, those that
// nobody holds, both the least recently used first, and what could be freed.
// Objects in a run's own directory are the run's.
func (c *Cache) evictable(records []*record) (objects, entries []*record, sum int64, err error) {
	for _, r := range records {
		if r.State != complete {
			continue
		}
		h, err := c.held(r.Key)
		if err != nil {
			return nil, nil, 0, err
		}
		spare := r.Object > 0 && r.Kind != KindRun
		if spare {
			objects = append(objects, r)
		}
		switch {
		case h == nil:
			entries = append(entries, r)
			sum += r.total()
		case spare:
			sum += r.Object
		}
	}
	byUse := func(a, b *record) int { return a.lastUsed.Compare(b.lastUsed) }
	slices.SortFunc(objects, byUse)
	slices.SortFunc(entries, byUse)
	return objects, entries, sum, nil
}

func (c *Cache) evictEntry(r *record, why string) (freed int64) {
	return c.withRecord(r, flock.Exclusive, func(now *record) (int64, error) {
		if h, err := c.held(now.Key); h != nil || err != nil {
			return 0, err
		}
		if err := c.remove(now, why); err != nil {
			return 0, err
		}
		c.log.Info("Evicted from cache", "path", c.abs(now.path()), "target", now.Target, "bytes", now.total(), "reason", why)
		return now.total(), nil
	})
}

// evictObject needs the entry's lock shared only: whoever reads a kept object has
// it exclusively, and whoever evicts one has the janitor's.
func (c *Cache) evictObject(r *record, why string) (freed int64) {
	return c.withRecord(r, flock.Shared, func(now *record) (int64, error) {
		bytes, used, name := now.Object, now.lastUsed, path.Join(now.Place, objectName)
		if err := c.unlinkObject(now); err != nil {
			return 0, err
		}
		// The file first: a record of an object that is gone only counts too much.
		c.trash(name)
		now.Object = 0
		if err := c.writeRecord(now); err != nil {
			return 0, err
		}
		// A rewritten record would look freshly used.
		if err := c.root().Chtimes(recordFile(now.Key), used, used); err != nil {
			return 0, err
		}
		c.event(event{Action: "evict object", Key: now.Key, Path: name, Bytes: bytes, Reason: why})
		c.log.Info("Evicted from cache", "path", c.abs(name), "target", now.Target, "bytes", bytes, "reason", "the kept object goes first: "+why)
		return bytes, nil
	})
}

// withRecord calls do with r's record as it is once the entry's lock is taken, and
// returns what it freed. Busy means in use: it never waits. That one entry cannot
// be evicted is no reason to keep others.
func (c *Cache) withRecord(r *record, mode flock.Mode, do func(*record) (int64, error)) (freed int64) {
	lock, err := flock.Try(c.root(), r.lock(), mode)
	if lock != nil {
		defer lock.Unlock()
		var now *record
		if now, err = c.readRecord(r.Key); errors.Is(err, errUnreadable) {
			return 0
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
