package workspace

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/durable"
	"github.com/cordonlabs/cordon/internal/flock"
)

// Pin is somebody's wish that an entry stays, whoever holds it or not: it is not
// evicted, nor is its kept object, and no sweep removes it. Its run's cleanup ends
// the hold and leaves the directory. A pin is of the key: it outlives the version
// that stands there when the object is replaced in the store. What is damaged or
// gone goes all the same.
type Pin struct {
	Since  time.Time `json:"since"`
	By     string    `json:"by"` // user@host
	Reason string    `json:"reason,omitempty"`

	salvage bool // nobody's wish: what its run found is still to be saved
}

// pinPatience is how long Pin waits for whoever makes or removes the entry. A
// person waits for it.
const pinPatience = 5 * time.Second

// pinGrace is for how long a pin outlives its entry, which may be made anew: a
// base for another driver, a workspace that was lost. Longer than a fetch takes.
const pinGrace = 2 * time.Hour

func pinFile(k key) string { return path.Join(pinsDir, string(k)) }

// Pin keeps the entry of that key until Unpin. Pinning it again replaces the
// reason. The error is TargetNotFound where there is no such entry, and Busy where
// somebody makes or removes it and does not end within seconds.
func (c *Cache) Pin(name, reason string) error {
	if err := c.revive(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.stopping, pinPatience)
	defer cancel()
	err := c.pin(ctx, key(name), reason)
	if errors.Is(err, context.DeadlineExceeded) {
		err = &cordon.Error{Kind: cordon.Busy, Op: "pin", Name: name, Err: errors.New("it is being made or removed"), Fix: "try again in a moment"}
	}
	return diskError("pin", name, err)
}

func (c *Cache) pin(ctx context.Context, k key, reason string) error {
	// Nobody waits for the disk with the janitor's lock.
	ready := path.Join(pinsDir, ".tmp-"+rand.Text())
	defer func() { _ = c.root().Remove(ready) }() // if it stays, a sweep takes it
	written := false
	for {
		r, err := c.current(k)
		if err != nil {
			return err
		}
		if r == nil {
			return errNoEntry(string(k))
		}
		if !written {
			if err := c.writePin(ready, reason); err != nil {
				return err
			}
			written = true
		}
		// With the entry's lock nobody removes it, with the janitor's nobody evicts
		// its object: each of them looks for a pin once it has its lock.
		done, err := c.pinLocked(ctx, r, ready, reason)
		if r.Kind == KindRun {
			c.heed(k) // a cleanup that met the lock
		}
		if err != nil {
			return err
		}
		if done {
			return durable.SyncDir(c.root(), pinsDir)
		}
	}
}

// writePin writes a pin to name and to the disk.
func (c *Cache) writePin(name, reason string) error {
	b, err := json.Marshal(Pin{Since: c.now().UTC(), By: whoami(), Reason: reason})
	if err != nil {
		return err
	}
	if err := durable.WriteFile(c.root(), name, append(b, '\n')); err != nil {
		return err
	}
	at := c.now()
	return c.root().Chtimes(name, at, at)
}

// pinLocked pins r's entry by the file ready, unless another one has its key by now.
func (c *Cache) pinLocked(ctx context.Context, r *record, ready, reason string) (done bool, err error) {
	lock, err := flock.Acquire(ctx, c.root(), r.lock(), flock.Shared, nil)
	if err != nil {
		return false, err
	}
	defer lock.Unlock()
	now, err := c.current(r.Key)
	if now == nil || err != nil || now.Staging != r.Staging {
		return false, err
	}
	janitor, err := flock.Acquire(ctx, c.root(), janitorLock, flock.Exclusive, nil)
	if err != nil {
		return false, err
	}
	defer janitor.Unlock()
	if err := c.root().Rename(ready, pinFile(r.Key)); err != nil {
		return false, err
	}
	c.event(event{Action: "pin", Key: r.Key, Path: r.path(), Bytes: r.total(), Reason: reason})
	return true, nil
}

// whoami names the user of this process as Pin.By does.
func whoami() string {
	name := strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// Unpin ends a pin, and reports whether there was one. The next sweep removes what
// was only there because of it. Where there is none, what a run that is over found and
// nobody has saved yet counts as a pin: Unpin gives it up.
func (c *Cache) Unpin(name string) (bool, error) {
	if err := c.revive(); err != nil {
		return false, err
	}
	if name == "" || strings.ContainsAny(name, "/.") { // no key has these
		return false, nil
	}
	was, err := c.unpin(key(name), pinFile(key(name)))
	if was || err != nil {
		return was, err
	}
	// A run under way still looks for something to save.
	if h, err := c.held(key(name)); h != nil || err != nil {
		return false, diskError("unpin", name, err)
	}
	return c.unpin(key(name), salvageFile(key(name)))
}

func (c *Cache) unpin(k key, file string) (bool, error) {
	err := c.root().Remove(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = durable.SyncDir(c.root(), path.Dir(file))
		c.event(event{Action: "unpin", Key: k, Path: file})
	}
	return err == nil, diskError("unpin", string(k), err)
}

// pinned returns the pin of k, or nil.
func (c *Cache) pinned(k key) (*Pin, error) {
	b, err := c.root().ReadFile(pinFile(k))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := &Pin{}
	if json.Unmarshal(b, p) != nil {
		p = &Pin{By: "(unreadable)"} // a power failure may have emptied it
	}
	return p, nil
}

// spared returns the pin of k, or one that stands for what has to be saved of it
// first, or nil.
func (c *Cache) spared(k key) (*Pin, error) {
	if p, err := c.pinned(k); p != nil || err != nil {
		return p, err
	}
	if owes, err := c.owes(k); !owes || err != nil {
		return nil, err
	}
	return owing(), nil
}

// pins returns what spared does of every key.
func (c *Cache) pins() (map[key]*Pin, error) {
	names, err := c.list(pinsDir)
	if err != nil {
		return nil, err
	}
	owed, err := c.owed()
	if err != nil {
		return nil, err
	}
	all := make(map[key]*Pin, len(names)+len(owed))
	for _, k := range owed {
		all[k] = owing()
	}
	for _, n := range names {
		p, err := c.pinned(key(n))
		if err != nil {
			return nil, err
		}
		if p != nil {
			all[key(n)] = p
		}
	}
	return all, nil
}

// needed reports whether a run holds k, somebody has pinned it, or it has to be saved.
func (c *Cache) needed(k key) (bool, error) {
	h, err := c.held(k)
	if h != nil || err != nil {
		return true, err
	}
	p, err := c.spared(k)
	return p != nil || err != nil, err
}

// endRun ends what r's run has: its workspace goes, unless it is spared. The
// caller has the run's lock.
func (c *Cache) endRun(r *record) (*Pin, error) {
	pin, err := c.spared(r.Key)
	if err != nil {
		return nil, err
	}
	if pin == nil || r.State != complete || c.missing(r) != "" {
		return nil, c.remove(r, CleanedUp, "cleaned up by its run")
	}
	c.dropAll(r.Key)
	return pin, nil
}

// words says who pinned and why, for people.
func (p *Pin) words() string {
	if p.salvage {
		return "kept for what its run found: that is not in the store yet"
	}
	if p.Reason == "" {
		return "pinned by " + p.By
	}
	return "pinned by " + p.By + ": " + p.Reason
}

// stalePins ends pins on entries that are gone and were not made anew. Of the
// others it notes, by the file's time, that they were there.
func (s *sweep) stalePins() error {
	c := s.c
	names, err := c.list(pinsDir)
	if err != nil {
		return err
	}
	for _, n := range names {
		r, err := c.readRecord(key(n))
		if err != nil && !errors.Is(err, errUnreadable) {
			return err
		}
		file := pinFile(key(n))
		if r != nil {
			if now := c.now(); !s.opts.DryRun {
				_ = c.root().Chtimes(file, now, now) // or it is gone earlier than it could be
			}
			continue
		}
		info := lstat(c.root(), file)
		if info == nil || c.now().Sub(info.ModTime()) < pinGrace {
			continue
		}
		err = s.did(Removal{Key: n, Path: c.abs(file), Reason: "it pins an entry that is gone"}, func() (bool, error) {
			err := c.root().Remove(file)
			return err == nil || gone(err), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
