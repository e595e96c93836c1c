// Package fsinfo asks the kernel about the file system under a path.
package fsinfo

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Space is what statfs(2) says.
type Space struct {
	Total, Free int64 // bytes; Free is what an unprivileged writer may still use

	// Inodes and FreeInodes are 0 where the file system makes inodes as it needs
	// them: then they are unknown, not used up.
	Inodes, FreeInodes int64

	// Late says that Free shows what is written only when it gets to the disk, up to
	// half a minute later: btrfs chooses the place of content no earlier, and counts
	// none of it before.
	Late bool
}

// SpaceAt returns the space of the file system that holds path.
func SpaceAt(path string) (Space, error) {
	var st unix.Statfs_t
	if err := statfs(path, &st); err != nil {
		return Space{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	unit := int64(st.Frsize)
	if unit == 0 {
		unit = st.Bsize
	}
	s := Space{Total: int64(st.Blocks) * unit, Free: int64(st.Bavail) * unit, Late: int64(uint32(st.Type)) == unix.BTRFS_SUPER_MAGIC}
	if st.Files > 0 {
		s.Inodes, s.FreeInodes = int64(st.Files), int64(st.Ffree)
	}
	return s, nil
}

// statfs goes on where a signal came between; statfs(2).
func statfs(path string, st *unix.Statfs_t) error {
	for {
		if err := unix.Statfs(path, st); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// networkFS names the file systems on which flock(2) may hang or lie, by the
// magic number of statfs(2).
var networkFS = map[int64]string{
	unix.NFS_SUPER_MAGIC:  "nfs",
	unix.SMB_SUPER_MAGIC:  "smb",
	0xff534d42:            "cifs",
	0xfe534d42:            "smb2",
	unix.V9FS_MAGIC:       "9p",
	unix.AFS_SUPER_MAGIC:  "afs",
	unix.CODA_SUPER_MAGIC: "coda",
	0x00c36400:            "ceph",
	0x0bd00bd0:            "lustre",
	0x47504653:            "gpfs",
}

// Network returns the name of path's file system if it is a network file
// system, and "" otherwise.
func Network(path string) (string, error) {
	var st unix.Statfs_t
	if err := statfs(path, &st); err != nil {
		return "", &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return networkFS[int64(uint32(st.Type))], nil
}

// BootID identifies the running kernel's boot: what was not synced before
// another boot may be gone.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("cannot tell one boot from another: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
