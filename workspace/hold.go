package workspace

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/durable"
)

// A hold is one run's claim on one entry: a file that outlives whoever made it.
// Asking again adds nothing; one Cleanup ends it (CONTRACT §8.2). Its modification
// time is when the run last asked, or was found to be open. A shared lock on it says
// that somebody works there, or that the process lives which asked; see letGo.
type hold struct {
	Run   string    `json:"run_id"`
	Owner Owner     `json:"owner"` // who asked last
	Host  string    `json:"host"`
	Since time.Time `json:"since"`

	// Earlier are other executions that asked for the same run id before, as the
	// attempts of a workflow do that names its runs itself: the last ones first.
	Earlier []Owner `json:"earlier_owners,omitempty"`

	// Bound says that the run cannot outlive the processes that asked for it.
	Bound bool `json:"process_bound,omitempty"`

	// KeepOnFailure is the run's wish to keep its workspace if it fails, and Kept what
	// became of it: the run is not asked about any more.
	KeepOnFailure bool  `json:"keep_on_failure,omitempty"`
	Kept          *kept `json:"kept,omitempty"`

	// Entry and View, on a base, are the entry that cannot be without it, and the
	// staging id it was made under: the hold counts as long as that is there, and
	// after it until the view is unmounted.
	Entry key    `json:"entry,omitempty"`
	View  string `json:"view,omitempty"`

	renewed time.Time
	live    bool      // a living process has it locked
	stamp   fileStamp // of its file, where it was read at a glance
}

// maxEarlier is how many executions a hold remembers that asked before: all that
// may be open at once, and some more.
const maxEarlier = 16

// owners are the executions that h is of.
func (h *hold) owners() iter.Seq[Owner] {
	return func(yield func(Owner) bool) {
		if !yield(h.Owner) {
			return
		}
		for _, o := range h.Earlier {
			if !yield(o) {
				return
			}
		}
	}
}

// any reports whether one of the executions that h is of is as asked for.
func (h *hold) any(is func(Owner) bool) bool {
	return is(h.Owner) || slices.ContainsFunc(h.Earlier, is)
}

// holdLife is how long a hold that no living process has counts when the cache
// has no time to live (CONTRACT §8.2).
const holdLife = 7 * 24 * time.Hour

func (c *Cache) holdLife() time.Duration {
	if c.ttl > 0 {
		return c.ttl
	}
	return holdLife
}

// expired reports whether h has not been renewed for too long. That is enough for a
// sweep to end it, if that finds out nothing else about its run.
func (c *Cache) expired(h *hold) bool {
	switch {
	case h.Entry != "":
		return !h.live && !c.hasView(h)
	case h.Kept != nil:
		return !h.live && c.now().After(h.Kept.Until)
	}
	return !h.live && (h.Bound || c.now().Sub(h.renewed) > c.holdLife())
}

// counts reports whether h keeps what it holds. Of a run that Temporal knows of, only
// a sweep may say that it does not, for only a sweep asks: holds of open runs look
// old when nobody has asked for long.
func (c *Cache) counts(h *hold) bool {
	return !c.expired(h) || h.Entry == "" && h.Kept == nil && h.any(Owner.known)
}

// hasView reports whether the view that h is for is being made, or is there.
func (c *Cache) hasView(h *hold) bool {
	if _, err := c.root().Lstat(path.Join(reservationsDir, h.View)); !gone(err) {
		return true
	}
	r, err := c.readRecord(h.Entry)
	return err != nil && !errors.Is(err, errUnreadable) || r != nil && r.Staging == h.View
}

func holdFile(k key, run cordon.RunID) string { return holdName(k, run.String()) }

func holdName(k key, holder string) string {
	return path.Join(holdsDir, string(k), string(hashed("run", holder))+".json")
}

// hold makes req's run hold the entry k, or renews the hold that it has. The caller
// has the entry's lock, shared at least: nobody may remove the entry between the
// look at its record and the hold. Once the entry is there, it calls letGo.
func (c *Cache) hold(ctx context.Context, k key, req Request) error {
	return c.take(ctx, holdFile(k, req.Run), c.holdOf(req))
}

// holdOf returns what req's run writes into a hold of its own.
func (c *Cache) holdOf(req Request) hold {
	return hold{Run: req.Run.String(), Owner: req.Owner, Bound: c.bound, KeepOnFailure: req.KeepOnFailure, Host: c.host, Since: c.now().UTC()}
}

// holdFor makes the view that is made in staging for req's run hold the base k, for
// as long as the entry exists that it becomes, and until it is unmounted. The
// caller has the base's lock, shared at least.
func (c *Cache) holdFor(ctx context.Context, k key, staging string, entry key, req Request) error {
	h := c.holdOf(req)
	h.Bound, h.KeepOnFailure = false, false // it ends with the view
	h.Entry, h.View = entry, staging
	return c.take(ctx, holdName(k, staging), h)
}

func (c *Cache) take(ctx context.Context, name string, h hold) error {
	for {
		if renewed, err := c.renew(ctx, name, h); renewed || err != nil {
			return err
		}
		err := c.newHold(name, h)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		// Another attempt of the run was quicker.
	}
}

// newHold makes the hold's file. It never replaces one: the lock of whoever made
// that would stay on a file without a name.
func (c *Cache) newHold(name string, h hold) error {
	root := c.root()
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	tmp := path.Join(path.Dir(name), ".tmp-"+rand.Text())
	f, err := c.createIn(path.Dir(name), tmp)
	if err != nil {
		return err
	}
	// Locked before it has its name, so that no sweep ever sees it unlocked.
	if err = flockNow(f, unix.LOCK_SH); err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		now := c.now()
		err = root.Chtimes(tmp, now, now)
	}
	if err == nil {
		err = root.Link(tmp, name)
	}
	_ = root.Remove(tmp) // a leftover temporary name is swept; the first error is what matters
	if err != nil {
		f.Close()
		return err
	}
	c.keep(name, lease{f, h.Owner})
	return nil
}

// syncSoon makes a hold on what is durable durable too. A disk that is busy with
// others takes long to sync, and nobody should wait for it: a hold that a power
// failure takes away in this instant is a miss.
func (c *Cache) syncSoon(hold string) {
	root := c.root()
	c.background.Go(func() {
		_ = durable.SyncFile(root, hold) // gone again, or the disk's trouble, which the next write tells
	})
}

// createIn makes the file name in dir, and dir if need be: whoever finds the
// directory empty removes it, and may do so between the two.
func (c *Cache) createIn(dir, name string) (f *os.File, err error) {
	const tries = 100 // each lost only to a removal in the same instant
	for range tries {
		if err = c.root().Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err = c.root().OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return f, err
}

// drop ends a hold and reports whether it existed.
func (c *Cache) drop(name string) bool {
	c.mu.Lock()
	l := c.leases[name]
	delete(c.leases, name)
	c.mu.Unlock()
	err := c.root().Remove(name)
	if l.file != nil {
		_ = l.file.Close() // it is gone; closing drops the lock
	}
	return err == nil
}

// dropIf ends a hold that no living process has if doomed still says so once
// nobody can renew it any more. It reports whether the hold is gone.
func (c *Cache) dropIf(name string, doomed func(*hold) bool) (bool, error) {
	f, err := c.root().OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := flockNow(f, unix.LOCK_EX); err != nil {
		return false, ignoreBusy(err)
	}
	h, err := decodeHold(f)
	if err != nil || !doomed(h) || !sameFile(f, lstat(c.root(), name)) {
		return false, err
	}
	return true, c.root().Remove(name)
}

// dropAll ends every hold on k, whose entry is gone.
func (c *Cache) dropAll(k key) {
	dir := path.Join(holdsDir, string(k))
	names, _ := c.list(dir) // what cannot be listed stays for the sweep
	for _, n := range names {
		c.drop(path.Join(dir, n))
	}
	_ = c.root().Remove(dir) // fails where a hold has just been added; the sweep looks again
}
