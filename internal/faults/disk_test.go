package faults_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/fsinfo"
	"github.com/cordonlabs/cordon/internal/loopfs"
)

// disk is a small file system, of which a stranger has the most.
type disk struct {
	testing.TB
	mnt     string
	inodes  bool // they are what there is little of
	tree    bool // it needs blocks to rename anything, which btrfs does
	ballast []string
}

// kindOfDisk is one that can be filled.
type kindOfDisk struct {
	name, fs string
	size     int64
	extra    []string
	inodes   bool
}

var disks = []kindOfDisk{
	{name: "ext4", fs: "ext4", size: 64 << 20, extra: []string{"-m", "0", "-b", "4096"}},
	{name: "ext4, by inodes", fs: "ext4", size: 64 << 20, extra: []string{"-m", "0", "-b", "4096", "-N", "2048"}, inodes: true},
	{name: "tmpfs", fs: "tmpfs", size: 48 << 20},
	{name: "tmpfs, by inodes", fs: "tmpfs", size: 64 << 20, extra: []string{"nr_inodes=2048"}, inodes: true},
	{name: "xfs", fs: "xfs", size: 300 << 20},
	{name: "btrfs", fs: "btrfs", size: 256 << 20, extra: []string{"--mixed"}},
}

func (k kindOfDisk) new(t *testing.T) *disk {
	t.Helper()
	return &disk{TB: t, mnt: loopfs.New(t, k.fs, k.size, k.extra...), inodes: k.inodes, tree: k.fs == "btrfs"}
}

func (d *disk) space() fsinfo.Space {
	d.Helper()
	// Some file systems count what was deleted only with their next transaction.
	f, err := os.Open(d.mnt)
	must(d, err)
	defer f.Close()
	must(d, unix.Syncfs(int(f.Fd())))
	s, err := fsinfo.SpaceAt(d.mnt)
	must(d, err)
	return s
}

// leave has the stranger take all but so many bytes, or inodes.
func (d *disk) leave(bytes, inodes int64) {
	d.Helper()
	if d.inodes {
		for d.space().FreeInodes > inodes {
			for range d.space().FreeInodes - inodes {
				if !d.take(0) {
					return
				}
			}
		}
		return
	}
	for {
		more := d.space().Free - bytes
		if more < 64<<10 || !d.take(more) {
			return
		}
	}
}

// fill has the stranger take all there is, to the last block or inode.
func (d *disk) fill() {
	d.Helper()
	if d.inodes {
		for d.take(0) {
		}
		return
	}
	sizes := []int64{1 << 20, 64 << 10, 4 << 10}
	if d.tree {
		sizes = sizes[:2]
	}
	for _, size := range sizes {
		for d.take(size) {
		}
	}
}

// take makes a file of so many bytes and reports whether there was room for it.
func (d *disk) take(size int64) bool {
	d.Helper()
	name := filepath.Join(d.mnt, fmt.Sprintf("ballast-%d", len(d.ballast)))
	f, err := os.Create(name)
	if errors.Is(err, unix.ENOSPC) {
		return false
	}
	must(d, err)
	defer f.Close()
	d.ballast = append(d.ballast, name)
	chunk := random(uint64(size), 64<<10)
	for size > 0 && err == nil {
		var n int
		n, err = f.WriteString(chunk[:min(size, int64(len(chunk)))])
		size -= int64(n)
	}
	if err == nil && !d.inodes {
		err = f.Sync() // where blocks are given out late
	}
	if err != nil && !errors.Is(err, unix.ENOSPC) {
		d.Fatal(err)
	}
	return err == nil
}

// free takes away all that the stranger has.
func (d *disk) free() {
	d.Helper()
	for _, n := range d.ballast {
		must(d, os.Remove(n))
	}
	d.ballast = nil
}
