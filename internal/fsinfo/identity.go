package fsinfo

import "golang.org/x/sys/unix"

// FileID tells a file from any other that has had its name, or its inode: file
// systems give the inode of a deleted directory to the next one that is made. On
// those that do not know when a file was born, the inode has to do.
type FileID struct {
	Inode uint64 `json:"inode"`
	Born  int64  `json:"born,omitempty"` // nanoseconds since 1970 (statx(2), STATX_BTIME)
}

// Identify identifies the file that dir, path and flags refer to, as statx(2)
// takes them. The error is statx's own.
func Identify(dir int, path string, flags int) (FileID, error) {
	var st unix.Statx_t
	if err := unix.Statx(dir, path, flags, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return FileID{}, err
	}
	id := FileID{Inode: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return id, nil
}
