package workspace

import (
	"context"
	"errors"

	"github.com/cordonlabs/cordon"
)

// Vacancy returns nil where the cache's disk has room for so many bytes and inodes more
// beside what is promised to work under way and what is to stay free (CACHE_MIN_FREE);
// what nobody holds counts as room, for it goes when somebody needs it. Else it returns
// a NoSpace *cordon.Error with the numbers. It promises nothing and evicts nothing: it is
// for those who choose when to begin something that will write. Safe for concurrent use.
func (c *Cache) Vacancy(ctx context.Context, bytes, inodes int64) error {
	if err := errors.Join(c.revive(), c.rebuild()); err != nil {
		return err
	}
	want := amount{bytes, inodes}
	lock, err := c.lookAtAccounts(ctx)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	a, err := c.account(nil, false, nil)
	if err != nil {
		return diskError("account for cache", c.dir, err)
	}
	short := a.disk(want).minus(a.trash)
	if !short.any() {
		return nil
	}
	if a, err = c.account(nil, true, nil); err != nil {
		return diskError("account for cache", c.dir, err)
	}
	idle, err := c.reclaimable(a.records)
	if err != nil {
		return diskError("account for cache", c.dir, err)
	}
	if short = a.disk(want).minus(a.trash).minus(idle); !short.any() {
		return nil
	}
	return &cordon.Error{Kind: cordon.NoSpace, Op: "look for room", Name: c.dir, Err: a.diskShort(want, short),
		Fix: "free the disk of what is not the cache's, wait for runs to end, clean up their workspaces ('cordon cache ls' shows who holds what), or lower CACHE_MIN_FREE"}
}
