package workspace

import (
	"context"
	"path"
	"strings"

	"github.com/cordonlabs/cordon/internal/diskusage"
	"github.com/cordonlabs/cordon/internal/mounts"
)

// DiskUsage walks the cache directory and adds up what is allocated on disk, of
// files that have several names once. Views show their base, which is counted
// where it stands; what others mounted in the cache is not the cache's. It is for
// people who want to compare; the cache itself never does it.
func (c *Cache) DiskUsage(ctx context.Context) (int64, error) {
	bytes, err := c.diskUsage(ctx)
	return bytes, diskError("measure cache", c.dir, err)
}

func (c *Cache) diskUsage(ctx context.Context) (int64, error) {
	dir, err := c.root().Open(".")
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	real := c.realDir()
	all, err := mounts.Below(real)
	if err != nil {
		return 0, err
	}
	here, err := mounts.Of(real)
	if err != nil {
		return 0, err
	}
	var m diskusage.Meter
	if err := m.Below(ctx, dir); err != nil {
		return 0, err
	}
	seen := map[string]bool{}
	for _, mounted := range all {
		name, itself := mountIn(mounted, here, real)
		if !itself || seen[name] {
			continue
		}
		seen[name] = true
		if err := m.Add(ctx, dir, name); err != nil {
			return 0, err
		}
	}
	return m.Bytes, nil
}

// mountIn returns where in the cache directory real, which is on the mount here, m
// is, and whether it shows what would be there without it: a tree that is mounted
// on itself.
func mountIn(m, here mounts.Mount, real string) (name string, itself bool) {
	name = strings.TrimPrefix(m.Point, real+"/")
	return name, m.FSType == here.FSType && m.Source == here.Source && m.Root == path.Join(here.Root, strings.TrimPrefix(m.Point, here.Point))
}
