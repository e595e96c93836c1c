package workspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
)

// Entries lists what is in the cache, by target, then by path.
func (c *Cache) Entries() ([]Entry, error) {
	if err := errors.Join(c.revive(), c.rebuild()); err != nil {
		return nil, err
	}
	records, _, err := c.records()
	if err != nil {
		return nil, diskError("list cache", c.dir, err)
	}
	pins, err := c.pins()
	if err != nil {
		return nil, diskError("list cache", c.dir, err)
	}
	list := make([]Entry, len(records))
	err = abreast(len(records), func(i int) (err error) {
		if r := records[i]; r.State == complete && c.missing(r) == "" {
			list[i], err = c.entry(r, pins)
		}
		return err
	})
	if err != nil {
		return nil, diskError("list cache", c.dir, err)
	}
	list = slices.DeleteFunc(list, func(e Entry) bool { return e.Key == "" })
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// entry describes r's entry.
func (c *Cache) entry(r *record, pins map[key]*Pin) (Entry, error) {
	holders, err := c.holders(r)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{
		Key: string(r.Key), Kind: r.Kind, Path: c.abs(r.path()), Target: r.Target, Run: r.Run, Mode: r.Mode,
		Driver: r.Driver, ETag: r.ETag, Bytes: r.total(), Object: r.Object, Inodes: r.Inodes,
		Created: r.Created, LastUsed: r.lastUsed, Holders: holders, Tampered: r.Tampered, Pin: pins[r.Key],
		Limit: r.Limit, OverLimit: r.Growth.Over,
	}
	if e.Pin == nil {
		e.Expires = c.expires(r, holders)
	}
	return e, nil
}

func (c *Cache) holders(r *record) ([]Holder, error) {
	all, err := c.holds(r.Key)
	if err != nil {
		return nil, err
	}
	list := []Holder{}
	for _, h := range all {
		if c.counts(h) {
			list = append(list, c.holder(h))
		}
	}
	slices.SortFunc(list, func(a, b Holder) int { return a.Since.Compare(b.Since) })
	return list, nil
}

// holder describes h. One of a view ends with it, and has no time of its own.
func (c *Cache) holder(h *hold) Holder {
	holder := Holder{Run: h.Run, Owner: h.Owner, Host: h.Host, Since: h.Since, Live: h.live}
	switch {
	case h.Kept != nil:
		holder.Expires, holder.Kept = h.Kept.Until, h.Kept.Status
	case h.Entry == "":
		holder.Expires = h.renewed.Add(c.holdLife())
	}
	return holder
}

// expires returns when a sweep would remove r's entry if nobody asked for it
// any more and no process that has it lived on.
func (c *Cache) expires(r *record, holders []Holder) time.Time {
	var last time.Time
	for _, h := range holders {
		if h.Expires.After(last) {
			last = h.Expires
		}
	}
	if r.Kind == KindRun || c.ttl == 0 {
		return last
	}
	if unused := r.lastUsed.Add(c.ttl + useSlack); unused.After(last) {
		return unused
	}
	return last
}

// StrayPins returns the keys that are pinned and have no entry: it was removed by hand,
// or was damaged. A sweep ends such a pin after some hours, Unpin at once.
func (c *Cache) StrayPins() ([]string, error) {
	pins, err := c.pins()
	if err != nil {
		return nil, diskError("list pins", c.dir, err)
	}
	var stray []string
	for _, k := range slices.Sorted(maps.Keys(pins)) {
		if pins[k].salvage {
			continue // a sweep forgets it
		}
		r, err := c.current(k)
		if err != nil {
			return nil, diskError("list pins", c.dir, err)
		}
		if r == nil {
			stray = append(stray, string(k))
		}
	}
	return stray, nil
}

// Usage adds up what the records say; it walks no tree.
func (c *Cache) Usage() (Usage, error) {
	if err := errors.Join(c.revive(), c.rebuild()); err != nil {
		return Usage{}, err
	}
	u, err := c.usage(context.Background())
	return u, diskError("account for cache", c.dir, err)
}

// accountPatience is how long those who only look at the accounts wait for who works
// with them, which takes an instant unless he is stopped in the middle.
const accountPatience = 10 * time.Second

// lookAtAccounts takes the janitor's lock for somebody who only looks. The error is
// Busy if that takes too long.
func (c *Cache) lookAtAccounts(ctx context.Context) (*flock.Lock, error) {
	inTime, cancel := context.WithTimeout(ctx, accountPatience)
	defer cancel()
	lock, err := flock.Acquire(inTime, c.root(), janitorLock, flock.Exclusive, nil)
	if err != nil && inTime.Err() != nil && ctx.Err() == nil {
		err = &cordon.Error{Kind: cordon.Busy, Op: "look at the accounts", Name: c.abs(janitorLock),
			Err: fmt.Errorf("another process has had it locked for %s", accountPatience),
			Fix: "find out who has it ('lsof' shows it) and whether that is stopped, or try again"}
	}
	return lock, err
}

func (c *Cache) usage(ctx context.Context) (Usage, error) {
	lock, err := c.lookAtAccounts(ctx)
	if err != nil {
		return Usage{}, err
	}
	defer lock.Unlock()
	a, err := c.account(nil, true, nil)
	if err != nil {
		return Usage{}, err
	}
	held, err := c.heldOf(a.records)
	if err != nil {
		return Usage{}, err
	}
	reclaimable, err := c.reclaimable(a.records)
	if err != nil {
		return Usage{}, err
	}
	trash, err := c.list(trashDir)
	if err != nil {
		return Usage{}, err
	}
	u := Usage{
		Dir: c.dir, MaxSize: a.limit, Recorded: a.recorded.bytes, RecordedInodes: a.recorded.inodes, Reserved: a.reserved,
		Reclaimable: reclaimable.bytes, Trash: len(trash), TrashBytes: a.trash.bytes,
		DiskFree: a.space.Free, DiskTotal: a.space.Total, MinFree: a.floor.bytes,
		InodesFree: a.space.FreeInodes, InodesTotal: a.space.Inodes, MinFreeInodes: a.floor.inodes, Entries: map[Kind]int{}, ByKind: map[Kind]int64{},
	}
	if u.Pinned, err = c.pinnedBytes(a.records); err != nil {
		return Usage{}, err
	}
	if u.StrayPins, err = c.StrayPins(); err != nil {
		return Usage{}, err
	}
	for _, r := range a.records {
		if r.State == complete {
			if r.Tampered != "" {
				u.Tampered++
			}
			if held[r.Key] {
				u.Held += r.total()
			}
			u.Entries[r.Kind]++
			u.ByKind[r.Kind] += r.total()
		}
	}
	return u, nil
}
