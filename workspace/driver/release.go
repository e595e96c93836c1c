package driver

import "os"

// Release lets go of what holds the view called name in dir apart from its
// files, whichever driver made it: after it, deleting dir is all that is left to
// do. It may be called again, and for what was never completed, or is no view at
// all. ErrBusy: something still uses the view; nothing was changed.
func Release(dir *os.Root, name string) error {
	if err := releaseOverlay(dir, name); err != nil {
		return err
	}
	releaseSubvolume(dir, name)
	return nil
}
