package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
	"github.com/cordonlabs/cordon/internal/fsinfo"
)

// place is where everything happens: a file system of the bench's own where it may
// mount, else a temporary directory.
type place struct {
	dir    string // everything is below it
	on     string // for people: what dir is on
	root   bool   // privileged: mounts are allowed
	tmp    string
	volume *lab.Volume // nil: none of its own
}

// What an entry and a file take on the disk, with what is noted of them, and
// what the file system itself takes. Trees stand there twice at most.
const (
	entryDisk  = 128 * cordon.KiB
	fileDisk   = 3 * 8 * cordon.KiB
	volumeDisk = 512 * cordon.MB
)

// makePlace makes the place, if there is a disk with room for it.
func makePlace(ctx context.Context, opts *options) (p *place, err error) {
	need := volumeDisk + int64(opts.entries)*entryDisk + int64(slices.Max(opts.files))*fileDisk
	tmp := os.TempDir()
	space, err := fsinfo.SpaceAt(tmp)
	if err != nil {
		return nil, err
	}
	if space.Free < need {
		return nil, fmt.Errorf("%s has %s free, and up to %s are needed: set TMPDIR to a directory with more, or choose smaller --entries and --files",
			tmp, cordon.FormatBytes(space.Free), cordon.FormatBytes(need))
	}
	p = &place{root: os.Geteuid() == 0}
	if p.tmp, err = os.MkdirTemp("", "cordon-bench-"); err != nil {
		return nil, err
	}
	p.dir, p.on = p.tmp, fmt.Sprintf("%s, a directory of the host's", typeOf(p.tmp))
	if p.root {
		// As many inodes as a quarter of the usual bytes for each would give.
		if p.volume, err = lab.MountVolume(ctx, "ext4", p.tmp, need, "-i", "4096"); err != nil {
			return nil, errors.Join(err, os.RemoveAll(p.tmp))
		}
		p.dir, p.on = p.volume.Point, "ext4 on a loop device of its own, past the page cache of what is below"
	}
	return p, nil
}

// close takes everything away.
func (p *place) close() (err error) {
	if p.volume != nil {
		err = p.volume.Close()
	}
	return errors.Join(err, os.RemoveAll(p.tmp))
}

// rest waits until the disk is done with what went before, so that one sample's
// writes are not the next one's burden.
func (p *place) rest(ctx context.Context) error {
	if p.volume == nil {
		return ctx.Err() // the disk is others' too, and is never done
	}
	_, err := p.volume.Rest(ctx)
	return err
}

// typeOf names the type of the file system that path is on.
func typeOf(path string) string {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return "an unknown file system"
	}
	for name, magic := range map[string]int64{
		"ext4": unix.EXT4_SUPER_MAGIC, "xfs": unix.XFS_SUPER_MAGIC, "btrfs": unix.BTRFS_SUPER_MAGIC, "tmpfs": unix.TMPFS_MAGIC, "overlay": unix.OVERLAYFS_SUPER_MAGIC,
	} {
		if int64(st.Type) == magic { //nolint:unconvert // of another width elsewhere
			return name
		}
	}
	return fmt.Sprintf("file system %#x", st.Type)
}
