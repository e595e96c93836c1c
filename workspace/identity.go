package workspace

import (
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/fsinfo"
)

type fileID = fsinfo.FileID

// identity is what an entry's names were when it was published, so that what
// somebody else put there is neither served nor deleted.
type identity struct {
	Dir     fileID `json:"dir,omitzero"`    // Place, where that is the entry's own
	Content fileID `json:"content"`         // what is handed out
	Object  fileID `json:"object,omitzero"` // the object kept beside a shared tree
}

// idOf identifies name itself, whatever it is. The path may lead through a link
// that somebody made of a target's directory: then it is another file.
func (c *Cache) idOf(name string) (fileID, error) {
	id, err := fsinfo.Identify(unix.AT_FDCWD, c.abs(name), unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return fileID{}, &fs.PathError{Op: "statx", Path: c.abs(name), Err: err}
	}
	return id, nil
}
