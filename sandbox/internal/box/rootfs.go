package box

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bases are directories that the new root can be mounted on for the moment until
// it is the root. Nothing is looked up in them after that.
var bases = []string{"/tmp", "/proc", "/dev", "/usr"}

// enter makes the root that the tool sees, out of the host's by copies of mounts
// that are read-only before they are attached, and makes it this process's root.
// The host's mounts are gone with the old one: what the cache unmounts is not kept
// mounted by a sandbox.
func (s *Spec) enter() error {
	if s.Hostname != "" {
		if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
			return doing("set the host's name", err)
		}
	}
	// Slaves still see the host unmount things, and mount nothing on it.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return doing("make the mounts slaves", err)
	}
	trees := make([]int, len(s.Binds))
	for i, b := range s.Binds {
		var err error
		if trees[i], err = b.copy(s.IDMap); err != nil {
			return doing("copy the mount of "+b.Path, err)
		}
	}
	root, err := tmpfs(unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, map[string]string{"mode": "0755", "size": "4m"})
	if err != nil {
		return doing("make a root", err)
	}
	if err := attachBase(root); err != nil {
		return doing("mount the root", err)
	}
	r := builder{root}
	if err := s.furnish(r); err != nil {
		return err
	}
	for i, b := range s.Binds {
		if trees[i] < 0 {
			continue
		}
		if err := r.attach(trees[i], b.Path); err != nil {
			return doing("mount "+b.Path, err)
		}
	}
	if err := mask(r); err != nil {
		return err
	}
	// The root itself, not what is mounted in it.
	if err := unix.MountSetattr(root, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return doing("make the root read-only", err)
	}
	return pivot(root)
}

// copy clones the mount of a bind, detached, with all that the tool must not do
// there taken away. It returns -1 where there is nothing to be shown.
func (b Bind) copy(idmap int) (int, error) {
	source := b.Source
	if source == "" {
		source = b.Path
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC}
	if !b.Follow {
		how.Resolve = unix.RESOLVE_NO_SYMLINKS
	}
	at, err := unix.Openat2(unix.AT_FDCWD, source, &how)
	if err != nil {
		if b.Optional && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)) {
			return -1, nil
		}
		return -1, err
	}
	defer unix.Close(at)
	tree, err := unix.OpenTree(at, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
	if err != nil {
		return -1, err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID, Propagation: unix.MS_PRIVATE}
	if !b.Devices {
		attr.Attr_set |= unix.MOUNT_ATTR_NODEV
	}
	if !b.Writable {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if b.Mapped && idmap != 0 {
		attr.Attr_set |= unix.MOUNT_ATTR_IDMAP
		attr.Userns_fd = uint64(idmap)
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return -1, err
	}
	return tree, nil
}

// furnish makes everything that is not the host's.
func (s *Spec) furnish(r builder) error {
	for _, l := range s.Links {
		if err := r.link(l.Target, l.Path); err != nil {
			return doing("make "+l.Path, err)
		}
	}
	for _, f := range s.Files {
		if err := r.file(f.Path, f.Data); err != nil {
			return doing("write "+f.Path, err)
		}
	}
	const still = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	temporary := map[string]string{"mode": "1777", "size": strconv.FormatInt(s.Temporary, 10), "nr_inodes": strconv.FormatInt(s.TempInodes, 10)}
	for _, m := range []struct {
		path, kind string
		attr       int
		options    map[string]string
	}{
		{"/proc", "proc", still | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_RDONLY, nil},
		{"/tmp", "tmpfs", still, temporary},
		{"/dev/shm", "tmpfs", still, temporary},
		{"/dev/pts", "devpts", unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC, map[string]string{"ptmxmode": "0666", "mode": "0620"}},
	} {
		fd, err := fresh(m.kind, m.attr, m.options)
		if err == nil {
			err = r.attach(fd, m.path)
		}
		if err != nil {
			return doing("mount "+m.path, err)
		}
	}
	return nil
}

func tmpfs(attr int, options map[string]string) (int, error) { return fresh("tmpfs", attr, options) }

// fresh makes a new file system's mount, detached.
func fresh(kind string, attr int, options map[string]string) (int, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	for key, value := range options {
		if err := unix.FsconfigSetString(fs, key, value); err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attr)
}

func attachBase(root int) (err error) {
	for _, base := range bases {
		err = unix.MoveMount(root, "", unix.AT_FDCWD, base, unix.MOVE_MOUNT_F_EMPTY_PATH)
		if err == nil {
			return nil
		}
	}
	return err
}

// pivot makes root the root and lets go of the old one, which lies over /tmp for an
// instant. Unmounting takes effect at once, but returns milliseconds later, when the
// kernel has waited for all its processors: that is not waited for.
func pivot(root int) error {
	if err := unix.Fchdir(root); err != nil {
		return doing("enter the root", err)
	}
	var own unix.Stat_t
	if err := unix.Stat("tmp", &own); err != nil {
		return doing("look at /tmp", err)
	}
	switch err := unix.PivotRoot(".", "tmp"); {
	case errors.Is(err, unix.EPERM):
		return cover(root)
	case err != nil:
		return doing("pivot_root", err)
	}
	if err := os.Chdir("/"); err != nil {
		return doing("enter the root", err)
	}
	unmounted := make(chan error, 1)
	go func() { unmounted <- unix.Unmount("/tmp", unix.MNT_DETACH) }()
	for {
		select {
		case err := <-unmounted:
			if err != nil {
				return doing("let the host's root go", err)
			}
			unmounted = nil
		default:
		}
		var now unix.Stat_t
		if err := unix.Stat("/tmp", &now); err != nil {
			return doing("look at /tmp", err)
		}
		if now.Dev == own.Dev {
			return nil
		}
		if unmounted == nil {
			return doing("let the host's root go", errors.New("it is still there"))
		}
		time.Sleep(20 * time.Microsecond)
	}
}

// builder makes things below a root that it never leaves, whatever links there are.
type builder struct{ root int }

func (r builder) open(name string) (int, error) {
	return unix.Openat2(r.root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
}

// dirOf and baseOf split a clean absolute path.
func dirOf(name string) string {
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		return name[:i]
	}
	return "/"
}

func baseOf(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// dir opens a directory, and makes it and its parents where they do not exist.
func (r builder) dir(name string) (int, error) {
	fd, err := r.open(name)
	if !errors.Is(err, unix.ENOENT) || name == "/" {
		return fd, err
	}
	parent, err := r.dir(dirOf(name))
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, baseOf(name), 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	return r.open(name)
}

func (r builder) link(target, name string) error {
	parent, err := r.dir(dirOf(name))
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	return unix.Symlinkat(target, parent, baseOf(name))
}

func (r builder) file(name string, data []byte) error {
	parent, err := r.dir(dirOf(name))
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	fd, err := unix.Openat(parent, baseOf(name), unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o444)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// attach mounts a detached tree at name, for which it makes a directory or file.
func (r builder) attach(tree int, name string) error {
	at, err := r.open(name)
	if errors.Is(err, unix.ENOENT) {
		var st unix.Stat_t
		if err := unix.Fstat(tree, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			at, err = r.dir(name)
		} else if err = r.file(name, nil); err == nil {
			at, err = r.open(name)
		}
	}
	if err != nil {
		return err
	}
	defer unix.Close(at)
	return unix.MoveMount(tree, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// masked is what /proc tells of the whole machine to whoever has the right uid. It
// is mounted read-only as a whole; these are not even to be read.
var masked = []string{"kcore", "keys", "key-users", "kallsyms", "kmsg", "kpagecount", "kpageflags", "kpagecgroup", "vmallocinfo",
	"slabinfo", "timer_list", "sched_debug", "sysrq-trigger", "iomem", "ioports", "interrupts", "config.gz", "acpi", "asound", "bus", "driver", "fs", "irq", "scsi", "modules", "mtrr", "tty"}

// mask lays /dev/null over files and an empty directory over directories.
func mask(r builder) error {
	for _, name := range masked {
		if err := r.mask("/proc/" + name); err != nil {
			return doing("hide /proc/"+name, err)
		}
	}
	return nil
}

func (r builder) mask(name string) error {
	at, err := r.open(name)
	if err != nil {
		return nil // this kernel has no such thing, or keeps it from us
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return err
	}
	var over int
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		over, err = tmpfs(unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC, map[string]string{"mode": "0555", "size": "4k"})
	} else {
		over, err = unix.OpenTree(r.root, "dev/null", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	}
	if err != nil {
		return err
	}
	defer unix.Close(over)
	return unix.MoveMount(over, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}
