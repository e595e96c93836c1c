package doctor

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// mountRights looks whether this process may mount. The trial is a copy of a
// mount that is attached nowhere, and so is seen by nobody and gone when closed.
func mountRights(_ context.Context, s *site) Result {
	const fix = "to have views mounted, " + mounts.FixNoRight + "; reflink and copy need no right"
	g, err := s.ground()
	if err != nil {
		return notLooked(err)
	}
	rights, err := mounts.CanMount()
	if err != nil {
		return because(Warn, err, fix)
	}
	where := "in the initial user namespace"
	if !rights.InitialUser {
		where = "in a user namespace of its own"
	}
	if !rights.SysAdmin {
		return warn(fix, "%s has no CAP_SYS_ADMIN (%s): nothing is mounted", me(), where)
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, g.at, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return warn("to have views mounted, let the container's seccomp filter and security profile allow it; reflink and copy need no right",
			"%s has CAP_SYS_ADMIN (%s), and may not mount all the same: open_tree: %v", me(), where, err)
	}
	_ = unix.Close(fd) // the copy goes with it
	return ok("CAP_SYS_ADMIN, %s", where)
}

// propagation says who sees what is mounted in the cache: mounts belong to a
// mount namespace, and a container has one of its own.
func propagation(_ context.Context, s *site) Result {
	g, err := s.ground()
	if err != nil {
		return notLooked(err)
	}
	m, err := mounts.Of(g.at)
	if err != nil {
		return because(Warn, err, "look into /proc/self/mountinfo")
	}
	kind := m.Propagation()
	if kind == "shared" {
		return ok("shared: containers whose volume is a peer or a slave of this mount (rshared, rslave) see the views that are mounted here")
	}
	if choice, err := s.cow(); err == nil {
		if p := driver.ByName(choice.Probed, choice.Name); p != nil && p.Driver != nil && p.Driver.Traits().Mounted {
			return ok("%s: only this mount namespace sees views by %s; where containers share the cache, set CACHE_COW_DRIVER=reflink,copy!", kind, choice.Name)
		}
	}
	return ok("%s; copy-on-write workspaces are plain trees here, which everybody sees", kind)
}
