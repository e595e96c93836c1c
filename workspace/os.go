package workspace

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func inode(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// sameFile reports whether f is the file that info describes.
func sameFile(f *os.File, info fs.FileInfo) bool {
	if info == nil {
		return false
	}
	have, err := f.Stat()
	return err == nil && os.SameFile(have, info)
}

func mustLstat(root *os.Root, name string) fs.FileInfo {
	info, err := root.Lstat(name)
	if err != nil {
		return nil
	}
	return info
}

// flockNow takes a lock on f or fails with EWOULDBLOCK.
func flockNow(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// flockWait takes a lock on f that others hold for instants only.
func flockWait(f *os.File, how int) error {
	for {
		err := flockNow(f, how)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// list returns the names in a directory of the cache's own, without temporary ones.
func (c *Cache) list(dir string) ([]string, error) {
	d, err := c.root().Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	names := all[:0]
	for _, n := range all {
		if !strings.HasPrefix(n, ".") {
			names = append(names, n)
		}
	}
	return names, nil
}

// allocation returns a file's number of names, its inode, and the bytes that it
// takes on disk: st_blocks counts units of 512 bytes (stat(2)).
func allocation(info fs.FileInfo) (links, ino uint64, bytes int64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 1, 0, info.Size()
	}
	return uint64(st.Nlink), st.Ino, st.Blocks * 512
}
