package workspace

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/internal/rmtree"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// deleters is how many deletions one process runs at once: two keep a disk busy
// and leave it room for others.
const deleters = 2

// closePatience is how long Close waits for deletions that are under way. What
// is not done by then is the next sweep's.
const closePatience = 3 * time.Second

// trash takes name away at once, by renaming it, and begins to delete it. What
// is in the trash counts as freed. A name that does not exist is left alone.
// It reports whether name is gone.
func (c *Cache) trash(name string) bool { return c.trashSized(name, amount{}, nil) == nil }

// trashSized is trash for something whose size is known: whoever needs the disk
// waits for its deletion instead of evicting more. It calls then, if that is not
// nil, once name is deleted, unless the process ends before. The error says why
// name is still there.
func (c *Cache) trashSized(name string, size amount, then func()) error {
	return c.trashEntry(nil, name, size, then)
}

// trashEntry is trashSized for a name of r's entry, or for nobody's where r is nil.
// Of an entry that grows the size is what was known last; what was freed is told
// when it is deleted.
func (c *Cache) trashEntry(r *record, name string, size amount, then func()) error {
	root := c.root()
	to := path.Join(trashDir, fmt.Sprintf("%s.%d.%d", strings.ToLower(rand.Text()), max(size.bytes, 0), max(size.inodes, 0)))
	if r != nil && r.grows() {
		c.leaving.Store(path.Base(to), r)
	}
	err := root.Rename(name, to)
	if errors.Is(err, fs.ErrPermission) && c.free(name) {
		err = root.Rename(name, to)
	}
	if errors.Is(err, unix.EBUSY) { // a mount that nobody knows of any more
		if err = c.unmount(name); err == nil {
			err = root.Rename(name, to)
		}
	}
	if err != nil {
		c.leaving.Delete(path.Base(to))
	}
	if errors.Is(err, fs.ErrNotExist) && lstat(root, name) == nil { // else it is the trash that is gone
		return nil
	}
	if err != nil {
		c.log.Warn("cannot remove from cache; the next sweep tries again", "path", c.abs(name), "error", err)
		return fmt.Errorf("move to the trash: %w", err)
	}
	c.deletions.Go(func() { c.deleteSoon(path.Base(to), then) })
	return nil
}

// trashStaging is trashSized for the staging directory of id, which is no entry yet.
// A full btrfs has no blocks to rename anything, and needs none to delete: nothing
// is lost if a crash leaves half of it.
func (c *Cache) trashStaging(id string, size amount) error {
	err := c.trashSized(path.Join(stagingDir, id), size, nil)
	if full(err) {
		err = c.deleteIn(c.stopDeleting, stagingDir, id)
	}
	return err
}

// busyWaits is how long to wait before looking again at something that a process
// still uses: most are about to end when their workspace is cleaned up.
var busyWaits = []time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 5 * time.Second, 30 * time.Second}

// deleteSoon deletes one thing in the trash when there is a worker free for it, and
// calls then, if that is not nil. What cannot be deleted is the next sweep's.
func (c *Cache) deleteSoon(name string, then func()) {
	defer c.leaving.Delete(name) // another process may have deleted it
	var err error
	for try := 0; ; try++ {
		c.deleting <- struct{}{}
		err = c.delete(c.stopDeleting, name)
		<-c.deleting
		if !errors.Is(err, mounts.ErrBusy) || try == len(busyWaits) || c.stopDeleting.Err() != nil {
			break
		}
		select {
		case <-time.After(busyWaits[try]):
		case <-c.stopDeleting.Done():
		}
	}
	if err == nil && then != nil {
		then()
	}
	if err != nil && c.stopDeleting.Err() == nil {
		c.log.Warn("cannot delete from the cache's trash; the next sweep tries again", "path", c.abs(path.Join(trashDir, name)), "error", err)
	}
}

// unmount takes every mount off name, which is in the cache.
func (c *Cache) unmount(name string) error {
	dir, err := c.root().OpenRoot(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return unmountAll(dir, path.Base(name))
}

// free takes from name what forbids renaming it: a directory that moves to
// another parent must be writable for non-root, and the top of a shared tree is
// not; and a run as root may have made its directory immutable.
func (c *Cache) free(name string) bool {
	root := c.root()
	if info, err := root.Lstat(name); err != nil || !info.IsDir() {
		return false
	}
	if d, err := root.Open(name); err == nil {
		rmtree.ClearFlags(d)
		d.Close()
	}
	return root.Chmod(name, 0o755) == nil
}

// delete deletes one thing in the trash: first what is mounted below it, by whom
// ever, for no deletion goes through a mount. If something still uses that, the
// error is mounts.ErrBusy and nothing is deleted.
func (c *Cache) delete(ctx context.Context, name string) error {
	return c.deleteIn(ctx, trashDir, name)
}

func (c *Cache) deleteIn(ctx context.Context, in, name string) (err error) {
	defer c.underDeletion.begin()()
	d, err := c.root().Open(in)
	if err != nil {
		return err
	}
	defer d.Close()
	where := path.Join(in, name)
	if info := lstat(c.root(), where); info != nil && info.IsDir() {
		if err := mounts.UnmountBelow(path.Join(c.realDir(), where)); err != nil && !gone(err) { // gone: a sweep deletes it too
			return err
		}
		defer c.weigh(ctx, name)(&err)
		// An entry has its view in it, a staging directory its entry.
		for _, at := range []string{where, path.Join(where, entryDir)} {
			if dir, err := c.root().OpenRoot(at); err == nil {
				_ = driver.Release(dir, treeName) // what is left of it is deleted below, or says why not
				dir.Close()
			}
		}
	}
	return rmtree.Remove(ctx, d, name)
}

// remove takes the entry of r out of the cache: its names first, so that a crash
// leaves a record without files, which is a miss, then its holds and its
// record. The caller has the entry's lock.
func (c *Cache) remove(r *record, cause Cause, why string) error {
	if err := c.unguard(r); err != nil {
		return err
	}
	if err := c.unlinkObject(r); err != nil {
		return err
	}
	// A view that somebody still uses keeps its base until it is unmounted.
	var unhold func()
	if r.View != nil {
		unhold = func() { c.drop(holdName(r.View.Base, r.Staging)) }
	}
	size := r.size()
	for _, p := range r.parts() {
		// What stands there now may be somebody else's: then it stays.
		id, err := c.idOf(p.name)
		if err != nil && !gone(err) {
			return err // it may be there, and nobody would know of it any more
		}
		if err != nil || id != p.id {
			continue
		}
		if err := c.trashEntry(r, p.name, size, unhold); err != nil {
			return err
		}
		size = amount{} // all of it is in the first part's name
	}
	if err := c.tidy(r); err != nil {
		return err // nobody would know any more that the empty directory is the cache's
	}
	c.dropAll(r.Key)
	c.unsettle(r)
	if err := c.root().Remove(recordFile(r.Key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c.event(event{Action: "remove", Key: r.Key, Path: r.path(), Bytes: r.total(), Reason: why})
	c.observer.Gone(Gone{Kind: r.Kind, Cause: cause, Bytes: r.total()})
	return nil
}

// tidy removes the target's directory if r's entry was the last thing in it.
func (c *Cache) tidy(r *record) error {
	dir := r.Target.String()
	if r.Place != dir && !strings.HasPrefix(r.Place, dir+"/") {
		return nil
	}
	err := c.root().Remove(dir)
	for _, stays := range []error{fs.ErrNotExist, unix.ENOTEMPTY, unix.EEXIST, unix.EBUSY, unix.ENOTDIR} {
		if errors.Is(err, stays) {
			return nil // gone, or something else is in it, on it or in its place
		}
	}
	return err
}
