package driver

import (
	"context"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// Overlay is the driver whose views are overlayfs mounts: a view takes a few
// blocks and part of a millisecond, whatever its base is, and a file is copied
// when it is first written to.
//
// All that belongs to a view called workspace is in its directory, and goes where
// that is renamed to:
//
//	workspace/          mount point: mode 0 and empty below the mount
//	.overlay/           mode 0700
//	  upper/  work/     overlayfs's own: what was written, and its scratch space
//	  view.json         made last: what the view is; without it there is none
//
// The layers are named to the kernel relative to .overlay, so that no name of a
// target or of the cache is ever part of a mount option: commas and colons have a
// meaning there, and 255 bytes are all that there is.
//
// A mounted upper is locked by the kernel itself, in every mount namespace, as
// long as anybody uses the mount: index=on asks for that. Nobody can mount a live
// view a second time. (Where the kernel cannot keep an index, it says no all the
// same, for it decides before it finds that out. Probe looks, and refuses a kernel
// that does not.)
//
// The zero Overlay is good for Check; Probe makes those that can do more.
type Overlay struct {
	user   bool // in a user namespace: overlayfs keeps its notes in user attributes
	traits Traits
}

// MountSource is what mountinfo gives as the source of a view's mount.
const MountSource = "cordon"

// Names in the directory of a view.
const (
	overlayHome = ".overlay"
	upperName   = "upper"
	workName    = "work"
	lowerName   = "lower" // exists only while the mount is made

	// volatileMark is what a volatile mount leaves in home for ever. The kernel
	// refuses to mount layers that have it.
	volatileMark = workName + "/work/incompat"
)

// Name implements Driver.
func (*Overlay) Name() string { return "overlay" }

// Traits implements Driver.
func (o *Overlay) Traits() Traits { return o.traits }

// overlayInodes is what a fresh view is made of: the mount point, .overlay, upper,
// work and view.json; and by the kernel work/work, index, and three for the mark of
// a volatile mount.
const overlayInodes = 10

// overlayBlocks is what they take at most: one block each while they are empty,
// and one for the attributes of upper, which do not fit into its inode on ext4.
const overlayBlocks = overlayInodes + 1

// Price implements Driver.
func (*Overlay) Price(Usage) Usage {
	return Usage{Bytes: overlayBlocks * blockSize, Inodes: overlayInodes}
}

// MakeBase implements Driver.
func (*Overlay) MakeBase(dir *os.Root, name string) error { return makePlainBase(dir, name) }

// Create implements Driver. What it returns is the price: it is so little that
// measuring it would cost more.
func (o *Overlay) Create(ctx context.Context, job Job) (Usage, error) {
	if err := context.Cause(ctx); err != nil {
		return Usage{}, err
	}
	if err := o.create(job); err != nil {
		return Usage{}, fullError(err)
	}
	return o.Price(job.Size), nil
}

func (o *Overlay) create(job Job) error {
	base, err := job.Base.Open(".")
	if err != nil {
		return err
	}
	defer base.Close()
	home, err := makeLayers(job.Dir, base)
	if err != nil {
		return err
	}
	defer home.Close()
	if err := job.Dir.Mkdir(job.Name, 0); err != nil {
		return err
	}
	if err := o.mount(job, base, home); err != nil {
		return err
	}
	return o.writeNote(home, base)
}

// makeLayers makes all that a mount of base needs below dir. The top of a view
// is upper's own, not the base's: it gets the base's looks.
func makeLayers(dir *os.Root, base *os.File) (home *os.Root, err error) {
	for _, n := range []string{overlayHome, path.Join(overlayHome, upperName), path.Join(overlayHome, workName)} {
		if err := dir.Mkdir(n, 0o700); err != nil {
			return nil, err
		}
		if err := dir.Chmod(n, 0o700); err != nil { // whatever the umask
			return nil, err
		}
	}
	info, err := base.Stat()
	if err != nil {
		return nil, err
	}
	if home, err = dir.OpenRoot(overlayHome); err != nil {
		return nil, err
	}
	upper, err := home.Open(upperName)
	if err != nil {
		home.Close()
		return nil, err
	}
	defer upper.Close()
	if err = copyXattrs(base, upper); err == nil {
		err = upper.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = setMtime(upper, info.ModTime())
	}
	if err != nil {
		home.Close()
		return nil, err
	}
	return home, nil
}

// mount mounts the view of job, whose layers are in home, on job.Name.
func (o *Overlay) mount(job Job, base *os.File, home *os.Root) error {
	at, err := job.Dir.OpenFile(job.Name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer at.Close()
	tree, err := newOverlay(base, home, o.options())
	if err != nil {
		return overlayError(home, err)
	}
	defer tree.Close()
	return overlayError(home, mounts.Attach(int(tree.Fd()), int(at.Fd())))
}

// options are what every view is mounted with, besides its layers.
//
//   - index=on: names of one file stay names of one file, and a live upper is
//     never mounted twice.
//   - redirect_dir=on: directories of the base can be renamed. The kernel refuses
//     it to user namespaces.
//   - metacopy=off: a file of upper is whole, so that upper's size says what a run
//     wrote; nfs_export=off: costs index entries for every directory.
//   - xino=auto: base and upper are on one file system, so inode numbers are
//     unique, and "on" would only make the kernel log that it changes nothing.
//   - volatile: nothing is synced, neither by a copy nor by the unmount, which
//     would write out the whole file system. A view is for one boot.
func (o *Overlay) options() []string {
	all := []string{"index=on", "metacopy=off", "nfs_export=off", "xino=auto", "volatile"}
	if o.user {
		return append(all, userXattr)
	}
	return append(all, "redirect_dir=on")
}

const userXattr = "userxattr"
