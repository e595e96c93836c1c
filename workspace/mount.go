package workspace

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// Two things are mounted: views by a driver that mounts, and a read-only bind of
// a shared tree on itself, for as long as runs hold it. Neither is ever taken for
// granted. Others may unmount, a namespace may end, and a mount point without its
// mount looks like an empty workspace; so every answer looks first.

// inPlace calls do with the directory that r's content stands in. A directory
// that is gone needs nothing.
func (c *Cache) inPlace(r *record, do func(dir *os.Root, name string) error) error {
	dir, err := c.root().OpenRoot(r.Place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(dir, r.Content)
}

// unmountAll takes every mount off name.
func unmountAll(dir mounts.Dir, name string) error {
	for {
		is, err := mounts.IsRoot(dir, name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !is {
			return nil
		}
		if err == nil {
			err = mounts.Unmount(dir, name)
		}
		if errors.Is(err, unix.EINVAL) { // somebody else was quicker
			if is, again := mounts.IsRoot(dir, name); again == nil && !is {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}

// attached says whether the view of r can be used as it is; see driver.Check.
func (c *Cache) attached(r *record) error {
	if r.View == nil {
		return nil
	}
	d := driver.Named(r.Driver)
	if d == nil {
		return &cordon.Error{Kind: cordon.Busy, Op: "use workspace", Name: c.abs(r.path()),
			Err: errors.New("it was made by the driver " + r.Driver + ", which this program does not know"), Fix: "use the program that made it"}
	}
	return c.inPlace(r, d.Check)
}

// reattach mounts r's view again, with all that its run wrote. The caller has the
// run's lock.
func (c *Cache) reattach(ctx context.Context, r *record) error {
	d, err := c.drivers.of(c, r)
	if err != nil {
		return err
	}
	base, err := c.root().OpenRoot(r.View.BasePath)
	if err != nil {
		return errors.Join(driver.ErrBroken, err)
	}
	defer base.Close()
	err = c.inPlace(r, func(dir *os.Root, name string) error {
		return d.Restore(ctx, driver.Job{Base: base, Dir: dir, Name: name})
	})
	if errors.Is(err, driver.ErrBusy) {
		return &cordon.Error{Kind: cordon.Busy, Op: "mount workspace", Name: c.abs(r.path()), Err: err,
			Fix: "let one container use the volume, share its mounts, or set CACHE_COW_DRIVER=copy or reflink"}
	}
	if err == nil {
		c.log.Info("mounted a workspace again", "path", c.abs(r.path()), "target_id", r.Target, "run_id", r.Run)
	}
	return err
}

// mounts makes the mounts in the cache those of entries that somebody holds: it
// brings back what a restart of the worker's container took away, and takes away
// what a crash left.
func (s *sweep) mounts() error {
	c := s.c
	real := c.realDir()
	var table []mounts.Mount
	var all []mountable
	// Reading the table takes long where there are many mounts: once has to do, beside
	// the other look. Whoever changes something meanwhile has a hold, or ends one, and
	// whatever is done here looks again.
	looks := []func() error{
		func() (err error) { table, err = mounts.Below(real); return err },
		func() (err error) { all, err = s.mountables(real); return err },
	}
	if err := abreast(len(looks), func(i int) error { return looks[i]() }); err != nil {
		return err
	}
	if !s.opts.DryRun {
		mounted := make(map[string]bool, len(table))
		for _, m := range table {
			mounted[m.Point] = true
		}
		for _, m := range all {
			there := mounted[m.point]
			switch {
			case !m.looked:
			case m.needed && (m.Kind != KindShared || !there):
				s.remount(m.record)
			case !m.needed && there:
				c.relax(m.record)
			}
		}
	}
	recorded := make(map[string]bool, len(all))
	for _, m := range all {
		recorded[m.point] = true
	}
	return s.strayMounts(slices.DeleteFunc(table, func(m mounts.Mount) bool { return recorded[m.Point] }))
}

// mountable is an entry, and where its mount would be.
type mountable struct {
	*record
	point  string
	looked bool // it is of those that have one
	needed bool
}

// mountables returns all entries.
func (s *sweep) mountables(real string) ([]mountable, error) {
	records, err := s.c.written()
	if err != nil {
		return nil, err
	}
	all := make([]mountable, len(records))
	for i, r := range records {
		m := mountable{record: r, point: filepath.Join(real, r.path())}
		if r.State == complete && (r.View != nil || r.Kind == KindShared) && s.inPlace(r) {
			m.looked = true
			if m.needed, err = s.needed(r.Key); err != nil {
				return nil, err
			}
		}
		all[i] = m
	}
	return all, nil
}

// inPlace reports whether r's entry is in place, or was so when this sweep looked
// first. Whatever is done about it looks again.
func (s *sweep) inPlace(r *record) bool { return s.stands[r.Staging] || s.c.missing(r) == "" }

// remount brings the mount of r, which somebody holds, back if it is gone.
func (s *sweep) remount(r *record) {
	c := s.c
	if !s.opts.Restore || r.Kind == KindShared && c.guarded(r) || r.View != nil && c.attached(r) == nil {
		return
	}
	if r.Kind == KindRun {
		defer c.heed(r.Key)
	}
	lock, err := flock.Try(c.root(), r.lock(), flock.Exclusive)
	if lock == nil || err != nil {
		return // somebody makes, gets or removes it at the moment
	}
	defer lock.Unlock()
	now, err := c.current(r.Key)
	if now == nil || err != nil || now.Staging != r.Staging {
		return
	}
	if h, err := c.held(r.Key); h == nil && err == nil {
		return // cleaned up since the first look
	}
	if r.Kind == KindShared {
		err = c.guard(s.ctx, now)
	} else if err = c.attached(now); errors.Is(err, driver.ErrDetached) {
		err = c.reattach(s.ctx, now)
	}
	if err != nil {
		s.report.Deferred = append(s.report.Deferred, Removal{Key: string(r.Key), Path: c.abs(r.path()), Reason: "cannot be mounted again: " + err.Error()})
	}
}

// strayMounts unmounts those of stray, mounts that no record tells of, that the cache
// made: somebody removed the cache's own directory, or a crash came between a mount and its
// record. What is below the trash and staging directories goes with them. Mounts
// that the cache did not make are left alone.
func (s *sweep) strayMounts(stray []mounts.Mount) error {
	c := s.c
	if len(stray) == 0 {
		return nil
	}
	real := c.realDir()
	here, err := mounts.Of(real)
	if err != nil {
		return err
	}
	for _, m := range stray {
		name, itself := mountIn(m, here, real)
		k, lock, ok := mountedAs(name, itself, m.Source == driver.MountSource)
		if !ok || lstat(c.root(), recordFile(k)) != nil {
			continue
		}
		err := s.did(Removal{Path: m.Point, Reason: "no record tells of this mount"}, func() (bool, error) {
			lock, err := flock.Try(c.root(), lock, flock.Exclusive)
			if lock == nil || err != nil {
				return false, err // it is being made
			}
			defer lock.Unlock()
			if lstat(c.root(), recordFile(k)) != nil {
				return false, nil
			}
			if err := c.unmount(name); err != nil || m.Source != driver.MountSource {
				return err == nil, err
			}
			return c.trash(path.Dir(name)), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mountedAs returns the entry that a mount at name, below the cache directory,
// looks like a part of, and the lock that whoever makes such a mount has: a view,
// or a tree that is mounted on itself. It is not ok where the cache makes no such
// mount.
func mountedAs(name string, itself, view bool) (k key, lock string, ok bool) {
	parts := strings.Split(name, "/")
	last := parts[len(parts)-1]
	t, err := cordon.ParseTargetID(parts[0])
	if err != nil || last != treeName && last != objectName {
		return "", "", false
	}
	switch len(parts) {
	case 2:
		k = sharedKey(t)
		return k, chooserLock(t), itself
	case 3:
		r, err := cordon.ParseRunID(parts[1])
		if err != nil {
			return "", "", false
		}
		k = runKey(t, r)
		return k, runLock(k), view
	}
	return "", "", false
}
