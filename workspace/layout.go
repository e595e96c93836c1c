package workspace

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/beneath"
	"github.com/cordonlabs/cordon/internal/durable"
	"github.com/cordonlabs/cordon/internal/fsinfo"
)

// The cache's own directory and what is in it; the package comment draws it.
const (
	stateDir        = ".cordon"
	versionFile     = stateDir + "/version"
	hostFile        = stateDir + "/host-id"
	eventsFile      = stateDir + "/events.jsonl"
	locksDir        = stateDir + "/locks"
	recordsDir      = stateDir + "/records"
	holdsDir        = stateDir + "/holds"
	basesDir        = stateDir + "/bases"
	stagingDir      = stateDir + "/staging"
	reservationsDir = stateDir + "/reservations"
	tombstonesDir   = stateDir + "/tombstones"
	trashDir        = stateDir + "/trash"
	settledDir      = stateDir + "/settled"
	manifestsDir    = stateDir + "/manifests"
	quarantineDir   = stateDir + "/quarantine"
	pinsDir         = stateDir + "/pins"
	plansDir        = stateDir + "/plans"
	salvageDir      = stateDir + "/salvage"
)

// Names inside an entry.
const (
	treeName   = "workspace"
	objectName = "target"
	baseName   = "shared"
)

// protocol is the version of everything on disk. A cache that a newer one has
// written is refused (CONTRACT §8.10), for what it means cannot be known.
const protocol = 1

const tagFile = "CACHEDIR.TAG"

// tag is what backup programs look for (the Cache Directory Tagging Specification).
const tag = "Signature: 8a477f597d28d172789f06886806bc55\n# Everything here can be fetched again; see https://bford.info/cachedir/\n"

// openRoot opens the cache directory, making it and what is in it where missing.
func openRoot(dir string, allowNetwork bool) (*beneath.Dir, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, diskError("open cache", dir, err)
	}
	if kind, err := fsinfo.Network(dir); err != nil {
		return nil, diskError("open cache", dir, err)
	} else if kind != "" && !allowNetwork {
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "open cache", Name: dir,
			Err: fmt.Errorf("is on a network file system (%s), where file locks can hang or lie", kind),
			Fix: "set CACHE_DIR to a directory on a local disk"}
	}
	root, err := beneath.Open(dir)
	if err != nil {
		return nil, diskError("open cache", dir, err)
	}
	if err := makeLayout(root); err != nil {
		root.Close()
		return nil, diskError("open cache", dir, err)
	}
	return root, nil
}

func makeLayout(root *beneath.Dir) error {
	for _, d := range []string{stateDir, locksDir, recordsDir, holdsDir, basesDir, stagingDir, reservationsDir, tombstonesDir, settledDir, manifestsDir, quarantineDir, pinsDir, plansDir, salvageDir, trashDir} {
		// Only the cache looks into its own directory: bases and staged trees are
		// nobody else's business.
		if err := root.Mkdir(d, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := checkVersion(root); err != nil {
		return err
	}
	// What frees the disk needs these, and must not need any disk for them.
	for _, name := range []string{janitorLock, sweepLock} {
		f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		_ = f.Close() // nothing was written to it
	}
	if _, err := root.Lstat(tagFile); errors.Is(err, fs.ErrNotExist) {
		if err := writeTag(root); err != nil {
			return err
		}
	}
	id, err := readHostID(root)
	if errors.Is(err, fs.ErrNotExist) || err == nil && id == "" {
		return writeHostID(root)
	}
	return err
}

// writeTag makes the tag's file. Until it has its name it is where a sweep looks
// for what a crash left.
func writeTag(root *beneath.Dir) error {
	tmp := stateDir + "/.tmp-" + rand.Text()
	err := root.WriteFile(tmp, []byte(tag), 0o644)
	if err == nil {
		err = root.Rename(tmp, tagFile)
	}
	if err != nil {
		_ = root.Remove(tmp) // a leftover temporary name is swept; the first error is what matters
	}
	return err
}

func checkVersion(root *beneath.Dir) error {
	b, err := root.ReadFile(versionFile)
	if errors.Is(err, fs.ErrNotExist) {
		return durable.WriteFile(root, versionFile, []byte(strconv.Itoa(protocol)+"\n"))
	}
	if err != nil {
		return err
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err == nil && v == protocol {
		return nil
	}
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "open cache", Name: filepath.Join(root.Name(), versionFile),
		Err: fmt.Errorf("says protocol version %q; this program speaks version %d", strings.TrimSpace(string(b)), protocol),
		Fix: "use the newer program, or another CACHE_DIR"}
}

// writeHostID gives the cache's host a name. Two processes may do it at once:
// the first one's name stays.
func writeHostID(root *beneath.Dir) error {
	tmp := stateDir + "/.tmp-" + rand.Text()
	if err := durable.WriteFile(root, tmp, []byte(strings.ToLower(rand.Text()[:16])+"\n")); err != nil {
		return err
	}
	err := root.Link(tmp, hostFile)
	if errors.Is(err, fs.ErrExist) {
		err = nil
		if id, rerr := readHostID(root); rerr == nil && id == "" { // a crash of old emptied it
			return root.Rename(tmp, hostFile)
		}
	}
	_ = root.Remove(tmp) // a leftover temporary name is swept
	return err
}

func readHostID(root *beneath.Dir) (string, error) {
	b, err := root.ReadFile(hostFile)
	return strings.TrimSpace(string(b)), err
}

// diskError gives an error of the operating system its kind and says what to do.
// An error that has a kind already keeps it.
func diskError(op, name string, err error) error {
	if err == nil || cordon.KindOf(err) != "" {
		return err
	}
	e := &cordon.Error{Op: op, Name: name, Err: err}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		e.Kind, e.Fix = cordon.NoSpace, "free disk space or inodes on the cache's file system, or lower CACHE_MAX_SIZE"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		e.Kind, e.Fix = cordon.PermissionDenied, "let this process's user write there, or set CACHE_DIR to a directory that it may write"
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.ELOOP):
		e.Kind, e.Fix = cordon.InvalidArgument, "set CACHE_DIR to a directory"
	}
	return e
}
