package driver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts"
)

// newOverlay makes an overlayfs of base and the layers in home that is not
// attached anywhere yet: it is gone when the descriptor is closed.
func newOverlay(base *os.File, home *os.Root, options []string) (tree *os.File, err error) {
	// The base is known by its descriptor only. A link lets mountinfo show a name
	// for it that does not depend on this process.
	if err := home.Remove(lowerName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // one that a crash left is removed
	}
	if err := home.Symlink(fmt.Sprintf("/proc/self/fd/%d", base.Fd()), lowerName); err != nil {
		return nil, err
	}
	dir, err := home.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	err = inDirectory(dir, func() error {
		fd, err := fsmount(append([]string{"lowerdir=" + lowerName, "upperdir=" + upperName, "workdir=" + workName}, options...))
		if err != nil {
			return err
		}
		tree = os.NewFile(uintptr(fd), MountSource)
		return mustBeWritable(tree, dir)
	})
	err = errors.Join(err, home.Remove(lowerName))
	if err != nil && tree != nil {
		tree.Close()
		tree = nil
	}
	return tree, err
}

// mustBeWritable refuses an overlayfs that the kernel made read-only because it
// could not make its own directories in work. It does not say why; on a full file
// system it is most likely that.
func mustBeWritable(tree *os.File, home *os.File) error {
	var st, below unix.Statfs_t
	if err := unix.Fstatfs(int(tree.Fd()), &st); err != nil {
		return fmt.Errorf("statfs: %w", err)
	}
	if st.Flags&unix.ST_RDONLY == 0 {
		return nil
	}
	if err := unix.Fstatfs(int(home.Fd()), &below); err != nil {
		return fmt.Errorf("statfs: %w", err)
	}
	why := unix.EROFS
	if below.Bavail*uint64(below.Bsize) < overlayBlocks*blockSize || below.Files > 0 && below.Ffree < overlayInodes {
		why = unix.ENOSPC
	}
	return fmt.Errorf("the kernel mounts it read-only: %w", why)
}

// fsmount makes an overlayfs with these options. Set-id bits and devices count
// for nothing in it.
func fsmount(options []string) (fd int, err error) {
	ctx, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen: %w", err)
	}
	defer unix.Close(ctx)
	for _, o := range append([]string{"source=" + MountSource}, options...) {
		if name, value, ok := strings.Cut(o, "="); ok {
			err = unix.FsconfigSetString(ctx, name, value)
		} else {
			err = unix.FsconfigSetFlag(ctx, name)
		}
		if err != nil {
			return -1, fmt.Errorf("fsconfig %s: %w%s", o, err, kernelSays(ctx))
		}
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, fmt.Errorf("fsconfig: %w%s", err, kernelSays(ctx))
	}
	fd, err = unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return -1, fmt.Errorf("fsmount: %w", err)
	}
	return fd, nil
}

// kernelSays returns the messages that a file system context keeps: "e " for an
// error and the text, one a read.
func kernelSays(ctx int) string {
	var said strings.Builder
	buf := make([]byte, 512)
	for {
		n, err := unix.Read(ctx, buf)
		if err != nil || n <= 0 {
			return said.String() // ENODATA: that was all; and without messages there is the error
		}
		if text, ok := strings.CutPrefix(strings.TrimSpace(string(buf[:n])), "e "); ok {
			said.WriteString(" (" + text + ")")
		}
	}
}

// inDirectory runs f on a thread of its own whose working directory is dir. No
// other goroutine ever runs on that thread: it ends with f.
func inDirectory(dir *os.File, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if unix.Gettid() == unix.Getpid() {
			// The process's first thread does not end before the process does, and
			// its working directory is what everybody takes for the process's.
			done <- inDirectory(dir, f)
			runtime.UnlockOSThread()
			return
		}
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Fchdir(int(dir.Fd()))
		}
		if err == nil {
			err = f()
			// The thread ends a little later, and must not keep dir's file system
			// busy until then. The root directory is always there.
			_ = unix.Chdir("/")
		}
		done <- err
	}()
	return <-done
}

// overlayError says what an error of the kernel means for a mount whose layers
// are in home. A nil error stays nil.
func overlayError(home *os.Root, err error) error {
	if err == nil {
		return nil
	}
	e := &cordon.Error{Op: "mount overlayfs", Err: err}
	switch {
	case errors.Is(err, unix.EBUSY):
		e.Kind, e.Err = cordon.Busy, fmt.Errorf("%w, in another mount namespace such as another container's: %w", ErrBusy, err)
		e.Fix = "let one container use the volume, or mount the volume with shared propagation (rshared), or set CACHE_COW_DRIVER=copy or reflink"
	case errors.Is(err, unix.ESTALE):
		e.Err = fmt.Errorf("%w: its base is not the one that it was made of: %w", ErrBroken, err)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		e.Kind, e.Fix = cordon.NoSpace, fixNoSpace
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Fix = cordon.PermissionDenied, mounts.FixNoRight
	case errors.Is(err, unix.ENODEV):
		e.Fix = "load the kernel's overlay module (modprobe overlay) on the host"
	case errors.Is(err, unix.ENOSYS):
		e.Fix = "use Linux 5.12 or newer, and a seccomp profile that knows its system calls"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EROFS):
		e.Err = fmt.Errorf("not on %s: %w", fileSystem(home), err)
		e.Fix = fixFileSystem
	}
	return e
}

// fullError gives an error of anything but the mount its kind.
func fullError(err error) error {
	if cordon.KindOf(err) == "" && (errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)) {
		return &cordon.Error{Kind: cordon.NoSpace, Op: "make overlay view", Err: err, Fix: fixNoSpace}
	}
	return err
}

const fixNoSpace = "free disk space or inodes on the cache's file system, or move CACHE_DIR"

const fixFileSystem = "put CACHE_DIR on a local ext4, xfs, btrfs or tmpfs (in a container: on a volume)"

// unfit names the file systems that people put a cache on and that overlayfs does
// not write to, by the magic number of statfs(2).
var unfit = map[int64]string{
	unix.OVERLAYFS_SUPER_MAGIC: "an overlayfs, such as a container's own root directory",
	unix.NFS_SUPER_MAGIC:       "nfs",
	unix.FUSE_SUPER_MAGIC:      "fuse",
	unix.V9FS_MAGIC:            "9p",
	unix.MSDOS_SUPER_MAGIC:     "vfat",
	unix.ECRYPTFS_SUPER_MAGIC:  "ecryptfs",
}

func fileSystem(home *os.Root) string {
	const unknown = "this kind of file system"
	dir, err := home.Open(".")
	if err != nil {
		return unknown
	}
	defer dir.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return unknown
	}
	if name, ok := unfit[int64(uint32(st.Type))]; ok {
		return name
	}
	return fmt.Sprintf("%s (%#x)", unknown, uint32(st.Type))
}
