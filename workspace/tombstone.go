package workspace

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
)

// A tombstone says that a run was cleaned up while somebody was still making its
// workspace. Cleanup never waits: it leaves the stone, and whoever is making the
// workspace throws it away instead of publishing it.

func tombstone(k key) string { return path.Join(tombstonesDir, string(k)) }

func (c *Cache) bury(k key) error {
	f, err := c.root().OpenFile(tombstone(k), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

func (c *Cache) unbury(k key) {
	// A stone that stays makes one Get fail that could have succeeded; the sweep
	// takes it away.
	_ = c.root().Remove(tombstone(k))
}

var errBuried = &cordon.Error{Kind: cordon.Busy, Op: "publish workspace",
	Err: errors.New("the run was cleaned up while its workspace was being made"),
	Fix: "ask again if the run still needs it"}

// buried returns errBuried if k's run was cleaned up. That it cannot be found out
// is another error: nothing may be thrown away for it.
func (c *Cache) buried(k key) error {
	err := c.root().Look(tombstone(k), new(unix.Stat_t))
	switch {
	case err == nil:
		return errBuried
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// heed carries out a cleanup that met a lock which is free again by now.
func (c *Cache) heed(k key) {
	if c.buried(k) != nil {
		_ = c.obey(k) // a stone that stays is the next sweep's
	}
}

// obey carries out the cleanup that a stone stands for, unless somebody has the
// run's lock: then that is whose turn it is.
func (c *Cache) obey(k key) error {
	lock, err := flock.Try(c.root(), runLock(k), flock.Exclusive)
	if lock == nil || err != nil {
		return err
	}
	defer lock.Unlock()
	return c.obeyLocked(k)
}

func (c *Cache) obeyLocked(k key) error {
	if err := c.buried(k); !errors.Is(err, errBuried) {
		return err
	}
	r, err := c.readRecord(k)
	if r != nil && err == nil {
		_, err = c.endRun(r)
	}
	if err == nil || errors.Is(err, errUnreadable) {
		c.unbury(k)
		return nil
	}
	return err
}
