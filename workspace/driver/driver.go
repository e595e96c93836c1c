// Package driver makes a run's private writable view of a read-only base tree.
//
// A driver is asked for a view inside a staging directory that is renamed into
// place once the view is complete, and is told to let go of the view after that
// directory has been renamed to the trash. So a driver never sees a path that a
// run uses, and one that mounts can rely on a mount moving along with the
// directory that holds it.
package driver

import (
	"context"
	"os"
)

// Usage is what a tree takes on disk.
type Usage struct {
	Bytes  int64 // allocated blocks, in bytes
	Inodes int64
}

// Job is one view to be made.
type Job struct {
	// Base is the root of the tree that the view starts from. It is not changed,
	// and stays complete and in place until Create returns.
	Base *os.Root

	// Staging is an empty directory on the base's file system; the view becomes
	// the directory Name in it.
	Staging *os.Root
	Name    string

	// ReadOnly asks for a tree without write permission for anybody.
	ReadOnly bool

	// Progress, if not nil, is told how many bytes were copied so far. It is
	// called concurrently.
	Progress func(bytes int64)
}

// Driver makes views. Its methods are safe for concurrent use.
type Driver interface {
	// Name is what logs, records and settings call the driver.
	Name() string

	// Create makes the view. The view has the base's content, modes, times, links
	// and hard-link groups; nothing done to the view ever shows in the base or
	// in another view. After an error the staging directory holds leftovers that
	// Release and removal of the directory clear.
	Create(ctx context.Context, job Job) (Usage, error)

	// NeedsBase reports whether a view stops working when its base is removed.
	// Where it does, the cache keeps the base for as long as the view exists.
	NeedsBase() bool

	// Release lets go of what holds the view called name in dir, apart from the
	// files themselves: after it, deleting dir is all that is left to do. It may
	// be called again, and for a view that was never completed.
	Release(dir *os.Root, name string) error
}
