// Package workspace is the engine: a cache that gives every run its own
// workspace of a stored target, and takes it away for certain.
//
// Four calls are all there is to it: Open a cache directory, Get a run's
// workspace, Cleanup its path, Sweep now and then. Any number of goroutines and
// processes of one host may do so at once on one directory. There is no daemon
// and no database: the file system is the truth, and a kernel lock (flock) is
// the only sign of life.
//
// # Words
//
// An entry is one thing with a life of its own: a run's directory, a target's
// shared tree, or a target's base, the tree that copy-on-write runs start from.
// Entries are evicted and removed whole. A record is the file that says an entry
// is complete; no record, no entry. A hold is a run's claim on an entry. A view
// is what a driver makes of a base for one run.
//
// # On disk
//
//	CACHEDIR.TAG
//	{target}/workspace/  target              shared tree, and the object it came from
//	{target}/shared/{workspace/,target}      base
//	{target}/{run}/{workspace/,target}       a run's directory
//	{target}/{run}/.overlay/                 what a mounted view is made of; see driver
//	.cordon/
//	  version  host-id
//	  locks/                                 flock files; never inside what is deleted
//	  records/{key}.json                     modification time = last use
//	  holds/{key}/{run}.json                 locked (shared) by living processes; modification time = renewed
//	  bases/{key}/                           a base whose place another version still has
//	  staging/{id}/entry/                    what is being made, or a Scratch
//	  reservations/{id}                      disk promised to it; locked by who makes it
//	  tombstones/{run key}                   cleaned up while it was being made
//	  trash/{random}.{bytes}.{inodes}        renamed away, being deleted
//	  manifests/{id}                         what a tree was when it was published; see manifest.go
//	  settled/{id}                           it has reached the disk; see settle.go
//	  quarantine/{key}/                      trees that somebody tampered with
//	  pins/{key}                             who wants it to stay, and why; modification time = a sweep saw the entry
//	  plans/{id}.json                        what a dry run would have removed
//	  salvage/{run key}                      what has to be saved before that entry goes
//	  events.jsonl                           who removed what, when, why
//
// Where the target is no archive there is no workspace directory, and target is
// what is handed out. Names in .cordon are hashes: two ids of full length do
// not fit into one file name.
//
// # The protocol
//
// Publish: stage, write a record that says "publishing", rename into place,
// write the record that says "complete". Remove: rename to the trash, drop
// holds, drop the record; unmount and delete later. A crash between any two
// steps leaves a miss, never half an entry: a directory without a complete
// record is replaced, a record without its directory is forgotten.
//
// Nobody waits for the disk: what is published is synced a little later, and
// counts for the boot it was made in until then.
//
// A view that needs its base: hold the base, make the view in the staging
// directory, publish. A mount moves along with the directory that holds it, so
// it is in place with the rename, and in the trash with the next one.
//
// Locks, in this order: whoever has one never waits for one above it.
//
//	run      making or removing a run's directory                     exclusive
//	content  one version of a target: its shared tree and its base    exclusive to make or
//	                                                                  remove, shared to use
//	chooser  which version stands at a target's paths, and mounted    for an instant
//	         or not
//	janitor  the accounts: reserving, evicting                        for an instant; its holder
//	                                                                  takes others by trying only
//
// A hold is not one of them: the lock on its file says that somebody works in the
// entry, and the file outlives him. It counts until Cleanup, until Options.Runs says
// that its run is over and a grace has passed, or until nobody could say for as long
// as the time to live. A hold on a base by a view is another kind: it counts as
// long as the view's entry exists.
//
// Disk is promised before it is written, in bytes and inodes, to all processes
// together: CACHE_MAX_SIZE is kept by what is recorded and promised, the part of the
// disk that stays free by what is free and promised but not written. What is in the
// trash counts as gone for the former, and is waited for by the latter.
//
// What a run writes itself is promised by nobody. Its record follows when it is
// measured, by a sweep or by Watch, and with it what fits beside it; see growth.go.
//
// # What is safe, and what is not
//
// Safe: any call beside any other, in any process; killing any process at any
// point; emptying or removing the cache directory under running processes,
// which costs misses; two attempts of one run beside each other.
//
// Not safe: a network file system (refused); writing into a shared tree as root
// where the cache may not mount (it is found out by a look at the next hold or
// sweep, not prevented); a view in a mount namespace that the mount does not
// reach; a path that was cleaned up; a clock that jumps forward
// by more than the time to live while no process that asked for an entry lives.
package workspace
