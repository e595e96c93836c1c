package doctor

import (
	"context"

	"github.com/cordonlabs/cordon/internal/fsinfo"
	"github.com/cordonlabs/cordon/internal/mounts"
)

// fileSystem looks at what the cache is, or would be, on.
func fileSystem(_ context.Context, s *site) Result {
	g, err := s.ground()
	if err != nil {
		return notLooked(err)
	}
	network, err := fsinfo.Network(g.at)
	if err != nil {
		return fail("see whether the disk works", "%v", err)
	}
	if network != "" {
		return fail("set CACHE_DIR to a directory on a local disk", "%s is on %s, a network file system, where file locks can hang or lie", g.at, network)
	}
	m, err := mounts.Of(g.at)
	if err != nil {
		return because(Warn, err, "look into /proc/self/mountinfo")
	}
	switch m.FSType {
	case "overlay":
		return warn("mount a volume at CACHE_DIR",
			"overlay, a container's own layer: it goes with the container, and copies what other file systems share")
	case "tmpfs", "ramfs":
		return ok("%s, in memory: a restart of the machine empties it", m.FSType)
	}
	return ok("%s, local", m.FSType)
}

// notLooked is the finding of a check that another check's failure is in the way of.
func notLooked(err error) Result {
	return warn("see what is wrong with the cache directory", "not looked at: %s", reason(err))
}
