package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// others are what users would pick instead, each by the command that they would
// type, its start included. They make their workspaces of the tree or file at
// plain, in dir, which is on the same file system.
func others(in *input, v *lab.Volume, plain, dir string) []*contestant {
	place := func(id string) string { return filepath.Join(dir, id) }
	// copying is a program that is told where from and where to.
	copying := func(name string, program string, args ...string) *contestant {
		c := &contestant{
			name: name,
			make: func(ctx context.Context, id string) (string, error) {
				return place(id), lab.Command(ctx, program, append(args[:len(args):len(args)], plain, place(id))...)
			},
			remove: func(ctx context.Context, id, _ string) error { return lab.Command(ctx, "rm", "-rf", place(id)) },
		}
		_, c.why = exec.LookPath(program)
		return c
	}
	from := plain
	if !in.lone {
		from += "/" // rsync's way of saying "what is in it"
	}
	rsync := copying("rsync -a", "rsync")
	rsync.make = func(ctx context.Context, id string) (string, error) {
		return place(id), lab.Command(ctx, "rsync", "-a", from, place(id))
	}
	all := []*contestant{copying(reference, "cp", "-a")}
	sharing, never := copying(reflinked, "cp", "-a", "--reflink=always"), copying(copied, "cp", "-a", "--reflink=never")
	if sharing.why = triesReflink(v); sharing.why != nil {
		never.why = errors.New("cp -a is that here")
	}
	all = append(all, sharing, never, rsync)
	if in.lone {
		return append(all, fetching(in, dir))
	}
	const copytree = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], symlinks=True)"
	return append(all, copying("copytree", lab.PythonPath(), "-c", copytree), overlaying(plain, dir), snapshotting(v, plain, dir), fetching(in, dir))
}

// triesReflink reports why blocks cannot be shared on v.
func triesReflink(v *lab.Volume) error {
	from, err := os.CreateTemp(v.Point, "reflink-")
	if err != nil {
		return err
	}
	defer os.Remove(from.Name()) // an empty file is in nobody's way
	defer from.Close()
	if _, err := from.Write(make([]byte, 4096)); err != nil {
		return err
	}
	to, err := os.CreateTemp(v.Point, "reflink-")
	if err != nil {
		return err
	}
	defer os.Remove(to.Name())
	defer to.Close()
	if err := unix.IoctlFileClone(int(to.Fd()), int(from.Fd())); err != nil {
		return errors.New(v.FS + " cannot share blocks")
	}
	return nil
}

func overlaying(plain, dir string) *contestant {
	return &contestant{
		name: "mount overlay", reads: true,
		make: func(ctx context.Context, id string) (string, error) {
			top := filepath.Join(dir, id)
			upper, work, merged := filepath.Join(top, "upper"), filepath.Join(top, "work"), filepath.Join(top, "merged")
			for _, d := range []string{upper, work, merged} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					return "", err
				}
			}
			return merged, lab.Command(ctx, "mount", "-t", "overlay", "overlay", "-o", "lowerdir="+plain+",upperdir="+upper+",workdir="+work, merged)
		},
		remove: func(ctx context.Context, id, path string) error {
			if err := lab.Command(ctx, "umount", path); err != nil {
				return err
			}
			return lab.Command(ctx, "rm", "-rf", filepath.Join(dir, id))
		},
	}
}

func snapshotting(v *lab.Volume, plain, dir string) *contestant {
	c := &contestant{
		name: "btrfs snapshot", reads: true,
		make: func(ctx context.Context, id string) (string, error) {
			to := filepath.Join(dir, id)
			return to, lab.Command(ctx, "btrfs", "subvolume", "snapshot", plain, to)
		},
		remove: func(ctx context.Context, _, path string) error {
			return lab.Command(ctx, "btrfs", "subvolume", "delete", path)
		},
	}
	if v.FS != "btrfs" {
		c.why = errors.New(v.FS + " has no snapshots")
	}
	return c
}

// fetching is what an isolated workspace cannot do without: the object fetched
// to the disk and extracted there, by the engine's own extractor.
func fetching(in *input, dir string) *contestant {
	return &contestant{
		name: "fetch+extract",
		make: func(ctx context.Context, id string) (string, error) {
			object, tree := filepath.Join(dir, id, "target"), filepath.Join(dir, id, "workspace")
			if in.lone {
				return object, errors.Join(os.Mkdir(filepath.Dir(object), 0o755), in.download(ctx, object))
			}
			if err := os.MkdirAll(tree, 0o755); err != nil {
				return "", err
			}
			return tree, in.unpack(ctx, object, tree)
		},
		remove: func(ctx context.Context, id, _ string) error {
			return lab.Command(ctx, "rm", "-rf", filepath.Join(dir, id))
		},
	}
}
