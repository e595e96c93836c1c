package workspace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

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
// it there if it is an archive. The caller seals s when it has done the rest.
func (c *Cache) fetch(ctx context.Context, s *staging, info target.Info, policy archive.Policy, st *step) (made, error) {
	st.begin("waiting for room in the cache", 0)
	if err := s.need(ctx, blocks(info.Size)); err != nil {
		return made{}, err
	}
	c.log.Info("Cache MISS", "target", info.ID, "etag", info.ETag, "bytes", info.Size)
	object, err := c.download(ctx, s, info, st)
	if err != nil {
		return made{}, err
	}
	defer object.Close()

	format, err := archive.Detect(object, info.Size, policy)
	if err != nil {
		return made{}, err
	}
	if format.IsArchive() {
		return c.extract(ctx, s, object, info, policy, st)
	}
	return made{content: objectName, bytes: blocks(info.Size), inodes: 1, fetched: true}, nil
}

func (c *Cache) extract(ctx context.Context, s *staging, object *os.File, info target.Info, policy archive.Policy, st *step) (made, error) {
	st.begin("extracting", info.Size)
	if err := s.need(ctx, blocks(1)); err != nil { // the tree's own directory
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
	rep, err := archive.Extract(ctx, object, info.Size, tree, archive.Options{
		Policy:   policy,
		Limits:   c.limits,
		Reserve:  func(bytes, _ int64) error { return s.need(ctx, bytes) },
		Progress: func(n int64) { st.done.Store(n) },
	})
	if err != nil {
		return made{}, err
	}
	if rep.OmittedCount > 0 {
		c.log.Warn("left out of the workspace: links that lead outside", "target", info.ID, "count", rep.OmittedCount)
	}
	return made{
		content: treeName, bytes: rep.DiskBytes + blocks(1), object: blocks(info.Size), inodes: rep.Inodes + 1, // the tree's own directory
		omitted: int(rep.OmittedCount), fetched: true,
	}, nil
}

// copyStep is how much is copied between two looks at the context.
const copyStep = 1 << 20

// download writes the object into s and checks that it is what info says.
func (c *Cache) download(ctx context.Context, s *staging, info target.Info, st *step) (*os.File, error) {
	st.begin("downloading", info.Size)
	body, got, err := c.store.Open(ctx, info.ID, info.ETag)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	// A read that hangs in the store's connection ends with the context.
	defer context.AfterFunc(ctx, func() { body.Close() })()

	f, err := s.root.OpenFile(objectName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o644); err != nil { // whatever the umask
		f.Close()
		return nil, err
	}
	sum := sha256.New()
	n, err := copyCounting(ctx, io.MultiWriter(f, sum), io.LimitReader(body, info.Size+1), st)
	switch want := info.SHA256; {
	case err != nil:
	case n != info.Size:
		err = &cordon.Error{Kind: cordon.StorageUnavailable, Op: "download", Name: info.ID.String(),
			Err: fmt.Errorf("got %d bytes or more of an object of %d", n, info.Size), Fix: "try again"}
	case want != "" && got.ETag == info.ETag && want != hex.EncodeToString(sum.Sum(nil)):
		err = &cordon.Error{Kind: cordon.IntegrityMismatch, Op: "download", Name: info.ID.String(),
			Err: fmt.Errorf("the bytes have the SHA-256 %x, and the uploader stated %s", sum.Sum(nil), want),
			Fix: "upload the target again"}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func copyCounting(ctx context.Context, w io.Writer, r io.Reader, st *step) (n int64, err error) {
	buf := make([]byte, copyStep)
	for {
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		got, rerr := r.Read(buf)
		if got > 0 {
			if _, err := w.Write(buf[:got]); err != nil {
				return n, err
			}
			n += int64(got)
			st.done.Store(n)
		}
		if errors.Is(rerr, io.EOF) {
			return n, nil
		}
		if rerr != nil {
			if ctx.Err() != nil {
				return n, context.Cause(ctx) // the read failed because we closed the body
			}
			return n, rerr
		}
	}
}
