package workspace

import (
	"context"
	"errors"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

func errStoreDown(req Request) error {
	return &cordon.Error{Kind: cordon.StorageUnavailable, Op: "fetch target", Name: req.Target.String(),
		Err: errors.New("the object store cannot be reached, and the cache no longer has the target"),
		Fix: "try again when the store is back"}
}

// contentInfo is one version of a target as the store described it.
type contentInfo struct {
	target.Info
	version
	stale bool
}

func (i contentInfo) record(kind Kind, k key, req Request) *record {
	return &record{Key: k, Kind: kind, Target: req.Target, Mode: req.Mode, ETag: i.version.etag, SHA256: i.SHA256, Policy: req.Extract}
}

// describe asks the store for the target's version of the moment. With the store
// down it answers with the newest version that the cache has, where that is
// enough, and says that it may be stale.
func (c *Cache) describe(ctx context.Context, req Request) (contentInfo, error) {
	info, err := c.store.Stat(ctx, req.Target)
	if err == nil {
		return contentInfo{info, version{info.ETag, req.Extract}, false}, nil
	}
	if cordon.KindOf(err) != cordon.StorageUnavailable || req.Mode == cordon.Isolated || ctx.Err() != nil {
		return contentInfo{}, err
	}
	r, cerr := c.newest(req)
	if r == nil || cerr != nil {
		return contentInfo{}, errors.Join(err, cerr)
	}
	c.log.Warn("the object store cannot be reached; serving what the cache has", "target_id", req.Target, "run_id", req.Run, "workflow_id", req.Owner.WorkflowID, "etag", r.ETag, "error", err)
	return contentInfo{target.Info{ID: req.Target, ETag: r.ETag}, r.version(), true}, nil
}

// newest returns the record of the shared tree or base of the target that was
// made last, or nil.
func (c *Cache) newest(req Request) (newest *record, err error) {
	all, _, err := c.records()
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		fits := (r.Kind == KindShared || r.Kind == KindBase) && r.Tampered == "" && r.Target == req.Target && r.Policy == req.Extract && r.State == complete && c.missing(r) == ""
		if fits && (newest == nil || r.Created.After(newest.Created)) {
			newest = r
		}
	}
	return newest, nil
}
