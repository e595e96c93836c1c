// Package drivertest is the conformance suite of workspace drivers: what it
// names is what driver.Driver promises.
//
// A view is compared with two things: with its base, when it is fresh, and with
// a plain directory of the same content to which the same was done. What a
// driver does differently from a plain directory is in its driver.Traits, and
// each of them relaxes what the behaviour concerned asks for:
//
//   - Mounted: a descriptor that was opened for reading only, before the first
//     write to a file of the base, keeps reading what the file had then. (An
//     overlay copies the file at that write, and the descriptor stays with the
//     original.) One that was opened for writing sees every write. A directory of
//     the base whose path is longer than 255 bytes may refuse to be renamed, as
//     with NoDirRename. Release refuses while a view is in use.
//   - SplitsLinks: as its comment says, and a second name that is given to a file of
//     the base may have another inode number than the first, though it is the same.
//   - NoDirRename, OwnBase: as their comments say.
package drivertest

import (
	"testing"

	"github.com/cordonlabs/cordon/workspace/driver"
)

// behaviour is one promise, and the test that holds a driver to it.
type behaviour struct {
	name string
	test func(*stand)
}

// behaviours that are looked at side by side.
var behaviours = []behaviour{
	{"a view has the base's files, directories, links and contents", sameTree},
	{"a view keeps modes, also those that forbid writing", keepsModes},
	{"a view keeps modification times, of directories and links too", keepsTimes},
	{"the top directory keeps its mode and its time", keepsTop},
	{"links are as they are in the base: relative, absolute, dangling, in a circle", keepsLinks},
	{"names of one file stay names of one file, and are not the base's", keepsHardLinks},
	{"user attributes of files and directories are kept, and are the view's own", keepsXattrs},
	{"holes stay holes, also after a write", keepsHoles},
	{"odd names are kept", keepsOddNames},
	{"deep and long paths are kept", keepsDeep},
	{"many files in one directory are kept", keepsMany},
	{"a view can be made under any path", anyPath},
	{"a process with a strict umask makes the same view", strictUmask},

	{"files can be overwritten, appended to, truncated and extended", writes},
	{"files can be renamed, over others too", renamesFiles},
	{"directories can be renamed, with what is in them", renamesDirs},
	{"what was deleted is gone, and what is made in its place is new", deletes},
	{"a directory can take a file's place, and a file a directory's", replaces},
	{"everything can be deleted", deletesAll},
	{"hard links and symbolic links can be made", makesLinks},
	{"modes, times and owners can be changed", changesAttributes},
	{"an unnamed file can be given a name", unnamedFile},

	{"writes through a shared mapping are seen by everybody", mapped},
	{"two who append to one file lose nothing", appendsTogether},
	{"locks hold between descriptors and between processes, in one view only", locks},
	{"an open file goes on after it was written by another, renamed over and deleted", openFiles},
	{"programs find nothing unusual", programs},

	{"nothing done to a view shows in the base or in another view", apart},
	{"many views of one base are made at once and kept apart", many},

	{"a base that was not made by the driver does, unless the driver says otherwise", plainBase},
	{"a cancelled job ends with its cause", cancelled},
	{"something that is no file, directory or link is refused or kept, and hangs nobody", refusesOdd},
	{"releasing is allowed twice, for what was never made and for what is no view", releases},
	{"a view in use is busy or goes on being usable, and can be released afterwards", busy},
	{"a fresh view is found usable, whatever a run did to it", checks},
	{"a view whose directory is gone is found broken", checksBroken},
	{"a view moves along when the directory that holds it is renamed, even in use", moves},
	{"a view that lost its mount is found detached, and restored with every write", restores},
	{"a view is not restored onto another base", otherBase},
	{"a process killed between any two steps of making a view leaves only what is cleared", killedCreating},
	{"a process killed between any two steps of restoring a view leaves one that can be restored", killedRestoring},
}

// alone are the behaviours that look at the whole file system's accounts.
var alone = []behaviour{
	{"the usage reported is what was allocated, and within the price", usage},
}

// Run runs the suite against d in directories that dir makes, all of one file
// system, which nobody else should write to meanwhile. Most behaviours are
// looked at in parallel, so they may go on after Run has returned, until t ends.
//
// The test binary is run again as a second process: it has to call Child before
// its tests start.
func Run(t *testing.T, d driver.Driver, dir func(*testing.T) string) {
	for _, b := range alone {
		t.Run(b.name, func(t *testing.T) { b.test(newStand(t, d, dir(t))) })
	}
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			b.test(newStand(t, d, dir(t)))
		})
	}
}
