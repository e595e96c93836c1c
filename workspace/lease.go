package workspace

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lease is a locked hold: this process has asked for what it holds.
type lease struct {
	file  *os.File
	owner Owner // for whom it was asked last
}

// keep remembers a lease for as long as the process lives.
func (c *Cache) keep(name string, l lease) {
	c.mu.Lock()
	old := c.leases[name]
	c.leases[name] = l
	c.mu.Unlock()
	if old.file != nil {
		_ = old.file.Close() // the new descriptor holds the lock now
	}
}

func (c *Cache) kept(name string) lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leases[name]
}

// renew reports whether the hold exists already, and if so makes this process
// one of those that have it, and h's owner the one who asked last.
func (c *Cache) renew(ctx context.Context, name string, h hold) (bool, error) {
	root := c.root()
	var st unix.Stat_t
	err := root.Look(name, &st)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if l := c.kept(name); l.file == nil || l.owner != h.Owner || !isFile(l.file, &st) {
		f, err := root.OpenFile(name, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		// Only who looks whether the hold may go locks it exclusively, for an
		// instant; once we have it, either it is gone or it stays.
		if err := flockWait(ctx, f, unix.LOCK_SH); err != nil {
			f.Close()
			return false, err
		}
		if !sameFile(f, lstat(root, name)) {
			f.Close()
			return false, nil
		}
		if err := c.amend(ctx, name, f, h); err != nil {
			f.Close()
			return false, err
		}
		c.keep(name, lease{f, h.Owner})
	}
	if now := c.now(); now.Sub(time.Unix(st.Mtim.Unix())) >= stampGrain {
		err := root.Chtimes(name, now, now)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}
	return true, nil
}

// letGo takes this process's lock off the run's hold, where somebody else knows
// whether the run is over: then the lock must not say that it is not, for as long
// as the process lives. Whoever works in the entry has a lock of his own (Use).
func (c *Cache) letGo(k key, req Request) {
	if !c.known(req.Owner) || c.bound {
		return
	}
	name := holdFile(k, req.Run)
	c.mu.Lock()
	l := c.leases[name]
	delete(c.leases, name)
	c.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close() // what was written to it is synced elsewhere
	}
}

// prune closes the locks on holds that others have ended meanwhile: another
// worker's cleanup does not tell this one.
func (c *Cache) prune() {
	root := c.root()
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, l := range c.leases {
		if !sameFile(l.file, lstat(root, name)) {
			delete(c.leases, name)
			_ = l.file.Close() // it is gone
		}
	}
}
