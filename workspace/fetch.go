package workspace

import (
	"context"
	"sync"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// made is what was put into a staging directory.
type made struct {
	content            string
	bytes              int64 // disk of the tree
	object             int64 // disk of the object, where it is kept beside a tree
	inodes             int64
	omitted            int
	driver             string
	view               *view
	volatile, manifest bool
	notes              []string
	fetched            bool // it came from the store
}

// into fills in what r says of the content.
func (m made) into(r *record) *record {
	r.Content, r.Bytes, r.Object, r.Inodes, r.Omitted = m.content, m.bytes, m.object, m.inodes, m.omitted
	r.Driver, r.View, r.Volatile, r.Manifest = m.driver, m.view, m.volatile, m.manifest
	return r
}

// blocks rounds a size up to what it takes on disk.
func blocks(size int64) int64 { return (size + 4095) / 4096 * 4096 }

// fetch downloads exactly the version that info describes into s, and extracts
// it there while it arrives if it is an archive. It is for the run of req, whoever else
// wants the same.
func (c *Cache) fetch(ctx context.Context, s *staging, info target.Info, req Request, st *step) (m made, err error) {
	ctx, told := c.observer.Begin(ctx, Work{Kind: WorkFetch, Target: info.ID, Run: req.Run.String()})
	defer func() { told(Done{Err: err, Bytes: m.bytes}) }()
	st.begin("waiting for room in the cache", 0)
	if err := s.needObject(ctx, info.Size); err != nil {
		return made{}, err
	}
	c.log.Info("Cache MISS", "target_id", info.ID, "run_id", req.Run, "workflow_id", req.Owner.WorkflowID, "etag", info.ETag, "bytes", info.Size)
	object, err := c.receive(ctx, s, info, st)
	if err != nil {
		return made{}, err
	}
	defer object.close()
	m, err = c.unpack(ctx, s, object, req.Extract, st)
	// An archive that is refused may have been damaged on its way: that it is what
	// was uploaded has to be known, where it can be, before its uploader is told.
	// Other errors need no more bytes.
	kind := cordon.KindOf(err)
	if err == nil || kind == cordon.ArchiveRejected || kind == cordon.TargetTooLarge && info.SHA256 != "" {
		if aerr := object.wait(); aerr != nil {
			err = aerr
		}
	}
	if err != nil {
		return made{}, err
	}
	return m, nil
}

// unpack extracts the object while it arrives, if it is an archive.
func (c *Cache) unpack(ctx context.Context, s *staging, object *arrival, policy archive.Policy, st *step) (made, error) {
	size := object.info.Size
	format, err := archive.Detect(object, size, policy, c.limits)
	if err != nil {
		return made{}, err
	}
	if format.IsArchive() {
		return c.extract(ctx, s, object, policy, st)
	}
	return made{content: objectName, bytes: blocks(size), inodes: 1, fetched: true}, nil
}

func (c *Cache) extract(ctx context.Context, s *staging, object *arrival, policy archive.Policy, st *step) (m made, err error) {
	ctx, told := c.observer.Begin(ctx, Work{Kind: WorkExtract, Target: object.info.ID})
	defer func() { told(Done{Err: err, Bytes: m.bytes}) }()
	if err := s.need(ctx, amount{blocks(1), 1}); err != nil { // the tree's own directory
		return made{}, err
	}
	makeTree := driver.Copy{}.MakeBase // a plain directory
	if s.makeTree != nil {
		makeTree = s.makeTree
	}
	if err := makeTree(s.root, treeName); err != nil {
		return made{}, err
	}
	tree, err := s.root.OpenRoot(treeName)
	if err != nil {
		return made{}, err
	}
	defer tree.Close()
	var begun sync.Once
	rep, err := archive.Extract(ctx, object, object.info.Size, tree, archive.Options{
		Policy:  policy,
		Limits:  c.limits,
		Reserve: func(bytes, inodes int64) error { return s.need(ctx, amount{bytes, inodes}) },
		Progress: func(n int64) {
			if object.landed.Load() { // until then the download's progress is told
				begun.Do(func() { st.begin("extracting", object.info.Size) })
				st.done.Store(n)
			}
		},
	})
	if err != nil {
		return made{}, err
	}
	if rep.OmittedCount > 0 {
		c.log.Warn("left out of the workspace: links that lead outside", "target_id", object.info.ID, "count", rep.OmittedCount)
	}
	return made{
		content: treeName, bytes: rep.DiskBytes + blocks(1), object: blocks(object.info.Size), inodes: rep.Inodes + 1, // the tree's own directory
		omitted: int(rep.OmittedCount), fetched: true,
	}, nil
}
