package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// sample takes one sample of c. What it makes is on a file system that nobody
// used before, and that is thrown away as it is: deleting files would disturb
// whoever comes next.
func (s *stand) sample(ctx context.Context, c *contestant, check bool) (a answer, err error) {
	work := s.bench.dir
	if !c.reads {
		v, err := s.fresh(ctx)
		if err != nil {
			return a, err
		}
		defer func() { err = errors.Join(err, v.Close()) }()
		work = filepath.Join(v.Point, "work")
		if err := os.Mkdir(work, 0o755); err != nil {
			return a, err
		}
		if err := v.Sync(); err != nil {
			return a, err
		}
	}
	if s.place == disk && c.store != minioStore {
		if _, err := digest(s.objectPath()); err != nil { // reads it all
			return a, err
		}
	}
	sync := s.place == disk && !c.reads
	made := filepath.Join(work, c.made)
	if c.job != nil {
		j := c.job(work)
		j.Sync = sync
		a, err = delegate(ctx, j)
		made = a.Path
	} else {
		a, err = timed(ctx, work, c.env, c.argv, sync)
	}
	if err != nil || c.reads || !check {
		return a, err
	}
	return a, s.complete(made, c.name == ours)
}

// fresh makes a file system for one sample.
func (s *stand) fresh(ctx context.Context) (*lab.Volume, error) {
	size := s.in.placeBytes()
	if s.place == memory {
		return lab.MountMemory(filepath.Join(s.bench.dir, "place"), size)
	}
	// The disk below is to be done with the image before.
	if err := syncFS(s.bench.dir); err != nil {
		return nil, err
	}
	const bytesPerInode = 16 << 10 // as mkfs has it by default, which is too few for tiny files
	inodes := max(size/bytesPerInode, s.in.Inodes*5/4)
	return lab.MountVolume(ctx, disk, s.bench.dir, size, "-N", strconv.FormatInt(inodes, 10))
}

// complete reports what is wrong with a tree, or file, that was made: too few
// files, and where it is exact any other number of files or bytes than there
// are in the object. (Some programs make files of links.)
func (s *stand) complete(path string, exact bool) error {
	var files, bytes int64
	err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files++
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		return err
	}
	if files < s.in.Files || exact && (files != s.in.Files || bytes != s.in.TreeBytes) {
		return fmt.Errorf("%d files of %d bytes were made, and the object has %d of %d", files, bytes, s.in.Files, s.in.TreeBytes)
	}
	return nil
}
