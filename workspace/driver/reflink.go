package driver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

// Reflink is the driver for file systems on which two files can have the same
// blocks until one of them is written to (XFS, btrfs, bcachefs): it makes every
// file anew, but copies no contents.
type Reflink struct{}

// Name implements Driver.
func (Reflink) Name() string { return "reflink" }

// Traits implements Driver: a clone stands alone.
func (Reflink) Traits() Traits { return Traits{SharesBlocks: true} }

// Price implements Driver: it grows with the number of files, not with their
// size. A directory or a long link takes a block, or what it takes in the base.
func (Reflink) Price(base Usage) Usage {
	blocks := min(base.Inodes*blockSize, base.Bytes)
	return Usage{Bytes: blocks + base.Inodes*maxSharedInode, Inodes: base.Inodes}
}

// MakeBase implements Driver.
func (Reflink) MakeBase(dir *os.Root, name string) error { return makePlainBase(dir, name) }

// Create implements Driver. It fails rather than copy a file whose blocks cannot
// be shared.
func (Reflink) Create(ctx context.Context, job Job) (Usage, error) {
	return clone(ctx, job, KeepModes, shareAlways)
}

// Check implements Driver.
func (Reflink) Check(dir *os.Root, name string) error { return checkPlain(dir, name) }

// Restore implements Driver: there is nothing that could have come off.
func (Reflink) Restore(_ context.Context, job Job) error { return checkPlain(job.Dir, job.Name) }

// probeReflink clones a file, writes to the clone and looks at both.
func probeReflink(dir *os.Root) (_ Driver, note string, err error) {
	trial, remove, err := makeTrial(dir)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := tryReflink(trial); err != nil {
		return nil, "", trialFailed("reflink", err)
	}
	return Reflink{}, "", nil
}

func tryReflink(trial *os.Root) error {
	content := strings.Repeat("reflink", blockSize) // several blocks, and a part of one
	if err := trial.WriteFile("base", []byte(content), 0o600); err != nil {
		return err
	}
	in, err := trial.Open("base")
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := trial.OpenFile("clone", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := unix.IoctlFileClone(int(out.Fd()), int(in.Fd())); err != nil {
		return errNotShared(int(in.Fd()), err)
	}
	if _, err := out.WriteAt([]byte("!"), 0); err != nil {
		return err
	}
	base, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	clone, err := trial.ReadFile("clone")
	if err != nil {
		return err
	}
	if string(base) != content || string(clone) != "!"+content[1:] {
		return errors.New("a file and its clone do not have the content that they should")
	}
	return nil
}

// errNotShared explains why the blocks of fd's file could not be shared.
func errNotShared(fd int, err error) error {
	what := err
	switch name := fsName(fd); {
	case err == unix.EXDEV:
		what = fmt.Errorf("it is on another file system: %w", err)
	case err == unix.EOPNOTSUPP && name == "xfs":
		what = fmt.Errorf("this XFS was made without reflinks: %w", err)
	case err == unix.EOPNOTSUPP || err == unix.ENOTTY:
		what = fmt.Errorf("%s has no reflinks: %w", name, err)
	}
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "share a file's blocks", Err: what,
		Fix: "put CACHE_DIR on XFS (mkfs.xfs -m reflink=1, its default) or btrfs"}
}

// makeTrial makes a directory for a probe. remove takes it away again.
func makeTrial(dir *os.Root) (trial *os.Root, remove func() error, err error) {
	name := ".trial-" + strings.ToLower(rand.Text())
	if err := dir.Mkdir(name, 0o700); err != nil {
		return nil, nil, err
	}
	trial, err = dir.OpenRoot(name)
	if err != nil {
		return nil, nil, errors.Join(err, dir.Remove(name))
	}
	return trial, func() error {
		trial.Close()
		return dir.RemoveAll(name)
	}, nil
}

// trialFailed gives the error of a probe its kind and advice, if it has none.
func trialFailed(what string, err error) error {
	if err = typed(err); cordon.KindOf(err) != "" {
		return err
	}
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "try " + what, Err: err, Fix: "see that CACHE_DIR can be written to"}
}
