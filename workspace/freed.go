package workspace

import (
	"context"
	"path"

	"github.com/cordonlabs/cordon"
)

// What a removal frees is known only to whoever deletes: a run's workspace may have
// grown since it was measured last, and nobody waits for a cleanup to walk it.

// weigh measures the entry that is in the trash as name, if this process removed
// one and it can be measured; its mounts are gone. What it returns says how much that
// was, if the deletion has no error.
func (c *Cache) weigh(ctx context.Context, name string) (tell func(err *error)) {
	silent := func(*error) {}
	v, ok := c.leaving.LoadAndDelete(name)
	if !ok {
		return silent
	}
	r := v.(*record)
	dir, err := openTree(c.root(), path.Join(trashDir, name))
	if err != nil {
		return silent
	}
	defer dir.Close()
	ctx, cancel := context.WithTimeout(ctx, measureLongest)
	defer cancel()
	e, err := r.measureIn(ctx, dir)
	if err != nil {
		return silent // how much it was is not worth keeping it for
	}
	return func(err *error) {
		if *err != nil {
			return
		}
		c.log.Info("deleted a run's workspace", "path", c.abs(r.path()), "target_id", r.Target, "run_id", r.Run, "bytes", e.total(), "inodes", e.inodes)
		c.event(event{Action: "deleted", Key: r.Key, Path: r.path(), Bytes: e.total(),
			Reason: "the record said " + cordon.FormatBytes(r.total())})
	}
}
