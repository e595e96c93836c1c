package workspace

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// view makes in s what a copy-on-write run of its own gets of base: a view by the
// best driver that can, or a copy if it is a file. Whoever calls has base's
// content lock, so that nobody removes it meanwhile.
func (c *Cache) view(ctx context.Context, s *staging, base *record, req Request, st *step) (made, error) {
	if base.Content == objectName {
		return c.clone(ctx, s, base, false, st)
	}
	usable, err := c.drivers.get(c)
	if err != nil {
		return made{}, err
	}
	var notes []string
	for i, d := range usable {
		m, err := c.viewBy(ctx, d, s, base, req, st)
		if err == nil {
			m.notes = notes
			return m, nil
		}
		if kind := cordon.KindOf(err); i == len(usable)-1 || ctx.Err() != nil || kind == cordon.NoSpace || kind == cordon.TargetTooLarge {
			return made{}, err
		}
		next := usable[i+1].Name()
		c.log.Warn("copy-on-write falls back to another driver", "driver", d.Name(), "to", next, "target_id", req.Target, "run_id", req.Run, "workflow_id", req.Owner.WorkflowID, "reason", err)
		notes = append(notes, "made by "+next+" instead of "+d.Name()+": "+err.Error())
		if err := s.clear(); err != nil {
			return made{}, err
		}
	}
	return made{}, errors.New("no driver may be used") // Choose allows no such setting
}

// viewBy makes a view by d. Where that needs its base, the run holds the base
// first: a crash then leaves a hold too many, which a sweep ends.
func (c *Cache) viewBy(ctx context.Context, d driver.Driver, s *staging, base *record, req Request, st *step) (m made, err error) {
	ctx, told := c.observer.Begin(ctx, Work{Kind: WorkView, Target: req.Target, Run: req.Run.String(), Driver: d.Name()})
	defer func() { told(Done{Err: err, Bytes: m.bytes}) }()
	place, tree, err := c.openTrees(base)
	if err != nil {
		return made{}, err
	}
	defer place.Close()
	defer tree.Close()
	job := driver.Job{
		Base: tree, Size: driver.Usage{Bytes: base.Bytes, Inodes: base.Inodes}, Dir: s.root, Name: treeName,
		Progress: func(n int64) { st.done.Store(n) },
	}
	st.begin("waiting for room in the cache", 0)
	price := d.Price(job.Size)
	traits := d.Traits()
	need := s.need
	if traits.SharesBlocks { // how much is not copied shows when it is made
		need = func(ctx context.Context, more amount) error { return s.reserve(ctx, more, 0) }
	}
	if err := need(ctx, amount{price.Bytes, price.Inodes}); err != nil {
		return made{}, err
	}
	m = made{content: treeName, omitted: base.Omitted, driver: d.Name(), volatile: traits.Volatile}
	if traits.NeedsBase {
		m.view = &view{Base: base.Key, BasePath: base.path(), BaseID: base.Identity.Content}
		if traits.Mounted {
			if m.view.Namespace, err = mounts.Namespace(); err != nil {
				return made{}, err
			}
		}
		if err := c.holdFor(ctx, base.Key, s.id, runKey(req.Target, req.Run), req); err != nil {
			return made{}, err
		}
		defer func() {
			if err != nil {
				c.drop(holdName(base.Key, s.id))
			}
		}()
	}
	st.begin("copying", price.Bytes)
	u, err := d.Create(ctx, job)
	m.bytes, m.inodes = u.Bytes, u.Inodes
	if err == nil {
		err = s.within(u.Bytes)
	}
	return m, err
}

// clone copies into s what the entry of r holds, sharing blocks with it where the
// file system can. Whoever calls has r's content lock.
func (c *Cache) clone(ctx context.Context, s *staging, r *record, readOnly bool, st *step) (made, error) {
	st.begin("waiting for room in the cache", 0)
	if err := s.need(ctx, amount{r.Bytes, r.Inodes}); err != nil {
		return made{}, err
	}
	st.begin("copying", r.Bytes)
	m := made{content: r.Content, omitted: r.Omitted}
	if r.Content == objectName {
		place, err := c.root().OpenRoot(r.Place)
		if err != nil {
			return made{}, err
		}
		defer place.Close()
		m.bytes, m.inodes = r.Bytes, 1
		return m, copyObject(ctx, place, s.root, readOnly, st)
	}
	place, tree, err := c.openTrees(r)
	if err != nil {
		return made{}, err
	}
	defer place.Close()
	defer tree.Close()
	modes := driver.WritableModes
	if readOnly {
		modes = driver.ReadOnlyModes
	}
	if s.makeTree != nil {
		if err := s.makeTree(s.root, treeName); err != nil {
			return made{}, err
		}
	}
	u, err := driver.Clone(ctx, driver.Job{
		Base: tree, Size: driver.Usage{Bytes: r.Bytes, Inodes: r.Inodes}, Dir: s.root, Name: treeName,
		Progress: func(n int64) { st.done.Store(n) },
	}, modes)
	m.bytes, m.inodes = u.Bytes, u.Inodes
	return m, err
}

// openTrees opens the directory of r's entry and the tree in it.
func (c *Cache) openTrees(r *record) (place, tree *os.Root, err error) {
	if place, err = c.root().OpenRoot(r.Place); err != nil {
		return nil, nil, err
	}
	if tree, err = place.OpenRoot(treeName); err != nil {
		place.Close()
		return nil, nil, err
	}
	return place, tree, nil
}

func copyObject(ctx context.Context, from, to *os.Root, readOnly bool, st *step) error {
	in, err := from.Open(objectName)
	if err != nil {
		return err
	}
	defer in.Close()
	mode := os.FileMode(0o644)
	if readOnly {
		mode = 0o444
	}
	out, err := to.OpenFile(objectName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	// Blocks are shared where the file system can, at once whatever the size.
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) != nil {
		err = passOn(ctx, in, copyStep, func(p []byte) error {
			n, err := out.Write(p)
			st.done.Add(int64(n))
			return err
		})
	}
	if err == nil {
		err = out.Chmod(mode) // whatever the umask
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

// linkObject lets the entry that s makes show the object that r's entry keeps:
// both names are the cache's own and read-only, so one file may have both. It is
// r's all the same: accounted there, and gone everywhere when r's goes.
func (c *Cache) linkObject(s *staging, r *record) error {
	if r.Object == 0 || r.Content == objectName {
		return nil
	}
	err := c.root().Link(path.Join(r.Place, objectName), s.at(objectName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed by hand; a tree can do without its object
	}
	return err
}

// unlinkObject removes the other name of the object that r's entry keeps. The
// caller has the content lock, which guards the sibling too.
func (c *Cache) unlinkObject(r *record) error {
	if r.Object == 0 || r.Content == objectName || r.Kind == KindRun {
		return nil
	}
	siblings := []key{sharedKey(r.Target)}
	if r.Kind == KindShared {
		siblings = []key{baseKey(r.Target), asideKey(r.Target, r.version())}
	}
	for _, k := range siblings {
		o, err := c.current(k)
		if err != nil {
			return err
		}
		if o != nil && o.version() == r.version() && o.Object == 0 {
			c.trash(path.Join(o.Place, objectName))
		}
	}
	return nil
}
