package driver

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

// Snapshot is the driver for btrfs: a base is a subvolume, and a view a writable
// snapshot of it. Making one takes some milliseconds whatever its size. A
// snapshot stands alone: it outlives its base.
type Snapshot struct{}

// ErrUnsuitableBase is in the chain of Create's error when a view cannot be made
// of this base, because another driver made the base, and can be of others.
var ErrUnsuitableBase = errors.New("the base is no subvolume")

// Name implements Driver.
func (Snapshot) Name() string { return "snapshot" }

// Traits implements Driver.
func (Snapshot) Traits() Traits { return Traits{OwnBase: true, SharesBlocks: true} }

// snapshotPrice is what a snapshot takes, in bytes: the root of its tree and its
// entries in others, each written twice. Blocks of metadata have 16 KiB.
const snapshotPrice = 64 << 10

// Price implements Driver: the size does not matter.
func (Snapshot) Price(Usage) Usage { return Usage{Bytes: snapshotPrice, Inodes: 1} }

// MakeBase implements Driver: it makes a subvolume.
func (Snapshot) MakeBase(dir *os.Root, name string) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	if err := createSubvolume(int(d.Fd()), name); err != nil {
		return errSubvolume(int(d.Fd()), "make a subvolume", name, err)
	}
	return dir.Chmod(name, 0o755) // whatever the umask
}

// Create implements Driver. It cannot be interrupted: the kernel writes out what
// is not on disk of the base, and commits.
func (s Snapshot) Create(ctx context.Context, job Job) (Usage, error) {
	if ctx.Err() != nil {
		return Usage{}, context.Cause(ctx)
	}
	base, err := job.Base.Open(".")
	if err != nil {
		return Usage{}, err
	}
	defer base.Close()
	dir, err := job.Dir.Open(".")
	if err != nil {
		return Usage{}, err
	}
	defer dir.Close()
	ok, err := isSubvolume(int(base.Fd()), ".")
	if err == nil && !ok {
		return Usage{}, &cordon.Error{Kind: cordon.Busy, Op: "make a snapshot", Name: fmt.Sprintf("%q", job.Base.Name()),
			Err: ErrUnsuitableBase, Fix: "wait for the runs that hold it to end: then it is made anew, as a subvolume; or choose another driver"}
	}
	if err == nil {
		err = createSnapshot(int(dir.Fd()), job.Name, int(base.Fd()))
	}
	if err != nil {
		return Usage{}, errSubvolume(int(dir.Fd()), "make a snapshot", job.Name, err)
	}
	if ctx.Err() != nil {
		return Usage{}, context.Cause(ctx)
	}
	return s.Price(Usage{}), nil
}

// Check implements Driver. It opens nothing of the view: a run may have taken the
// permission to.
func (Snapshot) Check(dir *os.Root, name string) error {
	if err := checkPlain(dir, name); err != nil {
		return err
	}
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	ok, err := isSubvolume(int(d.Fd()), name)
	if err == nil && !ok {
		err = fmt.Errorf("%w: %q is no subvolume", ErrBroken, name)
	}
	return err
}

// Restore implements Driver: there is nothing that could have come off.
func (s Snapshot) Restore(_ context.Context, job Job) error { return s.Check(job.Dir, job.Name) }

// errSubvolume explains why something could not be done with the subvolume name
// in the directory fd.
func errSubvolume(fd int, op, name string, err error) error {
	e := &cordon.Error{Kind: cordon.InvalidArgument, Op: op, Name: fmt.Sprintf("%q", name), Err: err}
	switch fs := fsName(fd); {
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		e.Kind, e.Fix = cordon.NoSpace, "free disk space on the cache's file system, or move CACHE_DIR"
	case fs != "btrfs":
		e.Err, e.Fix = fmt.Errorf("%s has no subvolumes: %w", fs, err), "put CACHE_DIR on btrfs"
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		e.Kind, e.Fix = cordon.PermissionDenied, "let the process own CACHE_DIR and everything in it"
	default:
		e.Kind, e.Fix = "", "see the kernel's log for what is wrong with the file system"
	}
	return e
}

// probeSnapshot makes a subvolume and a snapshot of it, writes to the snapshot,
// looks at both, and deletes them as the cache would.
func probeSnapshot(dir *os.Root) (_ Driver, note string, err error) {
	trial, remove, err := makeTrial(dir)
	if err != nil {
		return nil, "", err
	}
	// Deleting them file by file is the way of last resort: it takes Linux 4.18.
	defer func() { err = errors.Join(err, remove()) }()
	if err := trySnapshot(trial); err != nil {
		return nil, "", trialFailed("snapshot", err)
	}
	releaseSubvolume(trial, "view")
	if _, err := trial.Lstat("view"); err == nil {
		note = "deleting takes time for each file: at once it takes CAP_SYS_ADMIN, or the mount option user_subvol_rm_allowed"
	}
	releaseSubvolume(trial, "base")
	return Snapshot{}, note, nil
}

func trySnapshot(trial *os.Root) error {
	const content, other = "base", "view"
	if err := (Snapshot{}).MakeBase(trial, "base"); err != nil {
		return err
	}
	base, err := trial.OpenRoot("base")
	if err != nil {
		return err
	}
	defer base.Close()
	if err := base.WriteFile("file", []byte(content), 0o600); err != nil {
		return err
	}
	if _, err := (Snapshot{}).Create(context.Background(), Job{Base: base, Dir: trial, Name: "view"}); err != nil {
		return err
	}
	if err := (Snapshot{}).Check(trial, "view"); err != nil {
		return err
	}
	before, err := trial.ReadFile("view/file")
	if err != nil {
		return err
	}
	if err := trial.WriteFile("view/file", []byte(other), 0o600); err != nil {
		return err
	}
	after, err := base.ReadFile("file")
	if err != nil {
		return err
	}
	if string(before) != content || string(after) != content {
		return errors.New("a file and its snapshot do not have the content that they should")
	}
	return nil
}
