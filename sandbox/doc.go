// Package sandbox runs a command inside a workspace, confined as well as the host can.
//
// A fuzz target is hostile code, and so is the build of one. New finds out what this
// host can enforce, by doing it; that is used in full, reported for each promise, and
// may be required (Options.MinTier). There are four tiers:
//
//	full      root      a user of its own for each run, namespaces, cgroups
//	rootless  user namespaces are allowed
//	                    the same with the worker's user, without cgroups
//	landlock  neither, but the run can have a user that does not own the files
//	                    Landlock, a seccomp filter, resource limits
//	none                file modes and tamper detection; Enforced is false
//
// Whatever the tier, the tool gets a clean environment, no descriptor but its standard
// ones, no new privileges, no core dumps, and a session of its own; it is killed with
// all that it started when it ends, when its context is done, and when this process
// dies, by whatever signal.
//
// With namespaces the tool sees: its workspace and what Command names, at the same
// paths as outside; /usr and its like, read-only; a few files of /etc; its own /proc,
// read-only; a /dev of six devices; /tmp and /dev/shm, each a file system in memory of
// its own, limited in bytes and inodes and counted as its memory. There is no /sys, no
// /run, no home directory, no cache.
//
// # Users
//
// In tier full each run leases a user from a pool, by a kernel lock that a dead process
// drops. The workspace belongs to the cache's owner, and goes on to do so: the tool sees
// it through a mount that shows the owner's files as the leased user's, and what it
// makes is the owner's on disk, so that the cache can measure and delete it. Overlayfs
// cannot be mounted so. A tool that writes to an overlay view runs as the view's owner,
// without any capability, and its report says tier rootless.
//
// Because files are the owner's on disk, no tool may set a set-id bit, in any tier.
//
// # The init
//
// The tool is a child of a small init (package box), which is this program run once
// more: it builds what the tool sees, forks it, reports how it ended, and reaps. So a
// tool that aborts is seen to: pid 1 of a namespace would not die of its own signals.
// The init has the end of a socket; when the other end is gone, so is everything inside.
package sandbox
