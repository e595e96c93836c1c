package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// FileSystems that can be measured on, in the order in which they are.
var FileSystems = []string{"ext4", "xfs", "btrfs"}

// quiet are the arguments that keep mkfs from leaving work that the kernel does
// in the background after the mount.
var quiet = map[string][]string{
	"ext4":  {"-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"},
	"xfs":   {"-q", "-f"},
	"btrfs": {"-q", "-f"},
}

// Volume is a file system of the bench's own, on a loop device or in memory.
type Volume struct {
	FS    string // its type
	Point string // where it is mounted

	loop string // /dev/loopN; empty: it has none
}

// patience is how long the kernel may take to let go of a mount or a device that
// nobody uses any more.
const patience = 20 * time.Second

// MountVolume makes and mounts a file system of size bytes. Its image is sparse,
// and has no name any more once it is mounted, so that the disk gets it back
// when the mount goes, whoever ends this process. Reads and writes pass the host's page
// cache by: everything would be cached twice. extra are arguments for mkfs.
func MountVolume(ctx context.Context, fs, dir string, size int64, extra ...string) (*Volume, error) {
	v := &Volume{FS: fs, Point: filepath.Join(dir, fs)}
	image := filepath.Join(dir, fs+".img")
	if err := os.MkdirAll(v.Point, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(image)
	if err != nil {
		return nil, err
	}
	defer os.Remove(image) // the mount has it open, or there is none
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return nil, err
	}
	if err := Command(ctx, "mkfs."+fs, slices.Concat(quiet[fs], extra, []string{image})...); err != nil {
		return nil, err
	}
	out, err := Output(ctx, "losetup", "--find", "--show", "--direct-io=on", image)
	if err != nil {
		return nil, err
	}
	v.loop = strings.TrimSpace(out)
	err = unix.Mount(v.loop, v.Point, fs, unix.MS_NOSUID|unix.MS_NODEV, "")
	// From here on the mount alone keeps the device: detaching a busy one waits for its last user.
	if derr := Command(context.WithoutCancel(ctx), "losetup", "--detach", v.loop); err == nil && derr != nil {
		err = errors.Join(derr, v.Close())
	}
	if err != nil {
		return nil, &os.PathError{Op: "mount " + fs + " on", Path: v.Point, Err: err}
	}
	return v, nil
}

// MountMemory mounts a file system in memory that can hold size bytes, and any
// number of files, at point, which it makes.
func MountMemory(point string, size int64) (*Volume, error) {
	if err := os.MkdirAll(point, 0o755); err != nil {
		return nil, err
	}
	err := unix.Mount("tmpfs", point, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,nr_inodes=0,mode=0755", size))
	if err != nil {
		return nil, &os.PathError{Op: "mount tmpfs on", Path: point, Err: err}
	}
	return &Volume{FS: "tmpfs", Point: point}, nil
}

// Close unmounts everything and waits until the device is free.
func (v *Volume) Close() error {
	below, err := mountsBelow(v.Point)
	for _, p := range slices.Backward(below) {
		if unix.Unmount(p, unix.UMOUNT_NOFOLLOW) != nil {
			_ = unix.Unmount(p, unix.MNT_DETACH) // what stays keeps the device, which is reported
		}
	}
	if uerr := within(patience, func() error { return unix.Unmount(v.Point, unix.UMOUNT_NOFOLLOW) }); uerr != nil {
		_ = unix.Unmount(v.Point, unix.MNT_DETACH) // so that at least this process does not see it any more
		err = errors.Join(err, fmt.Errorf("%s was still in use: %w", v.Point, uerr))
	}
	if v.loop == "" {
		return err
	}
	return errors.Join(err, within(patience, func() error {
		b, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(v.loop), "loop/backing_file"))
		if err == nil && strings.HasPrefix(string(b), filepath.Dir(v.Point)+"/") {
			return fmt.Errorf("%s is still in use", v.loop)
		}
		return nil // freed, or somebody else's by now
	}))
}

func within(d time.Duration, try func() error) error {
	for end := time.Now().Add(d); ; time.Sleep(10 * time.Millisecond) {
		if err := try(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// mountsBelow returns the mount points below point, outer ones first.
func mountsBelow(point string) (all []string, err error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(b)) {
		// 36 35 98:0 /root /point options …; proc(5). The bench's own paths need no unescaping.
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], point+"/") {
			all = append(all, f[4])
		}
	}
	return all, err
}

// Used returns how many bytes of the volume are taken.
func (v *Volume) Used() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(v.Point, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: v.Point, Err: err}
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize, nil
}

// btrfsSync is BTRFS_IOC_SYNC of linux/btrfs.h. Unlike syncfs(2) it also makes the
// file system delete at once what was removed as a whole subvolume, which it
// does every 30 seconds otherwise.
const btrfsSync = 0x9408

// Sync writes everything through, so that one sample's writes are not the next
// one's burden.
func (v *Volume) Sync() error {
	d, err := os.Open(v.Point)
	if err != nil {
		return err
	}
	defer d.Close()
	if v.FS == "btrfs" {
		return os.NewSyscallError("BTRFS_IOC_SYNC", unix.IoctlSetInt(int(d.Fd()), btrfsSync, 0))
	}
	return os.NewSyscallError("syncfs", unix.Syncfs(int(d.Fd())))
}

const (
	// restStep is how long nothing must change on a volume to count as at rest: the
	// kernel's threads that delete behind a removal's back start within milliseconds.
	restStep = 50 * time.Millisecond

	// restPatience bounds the wait for it: some other figure is then a little off.
	restPatience = 10 * time.Second
)

// Rest waits until the file system is done with what went before, and returns
// how many bytes are taken.
func (v *Volume) Rest(ctx context.Context) (int64, error) {
	last := int64(-1)
	for end := time.Now().Add(restPatience); ; {
		if err := v.Sync(); err != nil {
			return 0, err
		}
		now, err := v.Used()
		if err != nil || now == last || time.Now().After(end) {
			return now, err
		}
		last = now
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(restStep):
		}
	}
}
