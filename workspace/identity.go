package workspace

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// fileID tells a file from any other that has had its name, or its inode: file
// systems give the inode of a deleted directory to the next one that is made.
// On those that do not know when a file was born, the inode has to do.
type fileID struct {
	Inode uint64 `json:"inode"`
	Born  int64  `json:"born,omitempty"` // nanoseconds since 1970 (statx(2), STATX_BTIME)
}

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
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, c.abs(name), unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st)
	if err != nil {
		return fileID{}, &fs.PathError{Op: "statx", Path: c.abs(name), Err: err}
	}
	id := fileID{Inode: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return id, nil
}
