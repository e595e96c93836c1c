// Package driver makes a run's private writable view of a read-only base tree.
//
// A driver is asked for a view inside a staging directory that is renamed into
// place once the view is complete, and Release is called after that directory
// has been renamed to the trash. So a driver never sees a path that a run uses,
// and one that mounts relies on a mount moving along with the directory that
// holds it (rename(2) refuses the mount point itself, not its parent).
//
// Which drivers a host offers is found out by Probe, which tries each of them on
// the very file system that it is to be used on; Choose picks one.
package driver

import (
	"context"
	"errors"
	"os"
)

// Usage is what a tree takes on disk.
type Usage struct {
	Bytes  int64 // allocated blocks, in bytes
	Inodes int64
}

// Job is one view to be made.
type Job struct {
	// Base is the root of the tree that the view starts from. Nobody changes it,
	// and it stays in place until Create returns, or, where the driver needs its
	// base, until the view was released.
	Base *os.Root

	// Size is what Base takes on disk.
	Size Usage

	// Dir is the directory that the view is made in, on the base's file system;
	// the view becomes the directory Name in it. A driver may keep what it needs
	// beside the view, under names that begin with a dot.
	Dir  *os.Root
	Name string

	// Progress, if not nil, is told how many bytes were copied so far. It is
	// called concurrently.
	Progress func(bytes int64)
}

// Traits say what a driver's views are like.
type Traits struct {
	// NeedsBase: a view stops working when its base is removed. The cache keeps
	// the base for as long as the view exists.
	NeedsBase bool

	// Volatile: a view does not survive a restart of the machine.
	Volatile bool

	// Mounted: a view is a mount. It is seen in the mount namespace in which it
	// was made, and elsewhere only as far as mounts propagate.
	Mounted bool

	// OwnBase: a view starts only from a base that the driver's own MakeBase made.
	OwnBase bool

	// SharesBlocks: the files of a view have their blocks in common with the base's
	// until they are written to. What the kernel says that they take is not what
	// the view takes.
	SharesBlocks bool

	// NoDirRename: renaming a directory that came from the base fails with EXDEV,
	// as overlayfs does in a user namespace; mv(1) and the like copy it instead.
	NoDirRename bool

	// SplitsLinks: writing to one of several names of a base's file separates that
	// name from the others, as overlayfs does without an index.
	SplitsLinks bool
}

// ErrDetached is in the chain of the error when a view's files are whole, but
// its mount is gone: Restore brings it back.
var ErrDetached = errors.New("the view is not mounted")

// ErrBroken is in the chain of the error when a view cannot be used any more: it
// has to be thrown away and made anew.
var ErrBroken = errors.New("the view is broken")

// ErrBusy is in the chain of the error when something still uses a view.
var ErrBusy = errors.New("the view is in use")

// Driver makes views. Its methods are safe for concurrent use.
type Driver interface {
	// Name is what logs, records and settings call the driver.
	Name() string

	// Traits says what its views are like.
	Traits() Traits

	// Price is the most that a view of a base of this size takes on disk before
	// anybody writes to it.
	Price(base Usage) Usage

	// MakeBase makes the empty directory that a base is going to be filled in, so
	// that it can be what this driver's views start from best.
	MakeBase(dir *os.Root, name string) error

	// Create makes the view and returns what it takes. The view has the base's
	// content, modes, times, links and hard-link groups; nothing done to the view
	// ever shows in the base or in another view. After an error the directory
	// holds leftovers that Release and its removal clear.
	Create(ctx context.Context, job Job) (Usage, error)

	// Check says in time that does not depend on the view's size whether the view
	// called name in dir can be used: nil, or an error with ErrDetached or
	// ErrBroken in its chain. What a run did to its view does not matter.
	Check(dir *os.Root, name string) error

	// Restore brings a view back that Check found detached, with all that was
	// written to it. ErrBroken: it cannot be, for example because job.Base is not
	// the base that it was made of. ErrBusy: it is in use where this process
	// cannot see it, such as in another container.
	Restore(ctx context.Context, job Job) error
}
