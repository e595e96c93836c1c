package fuzz

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

// WorkDir is the directory in a workspace in which campaigns build and work.
const WorkDir = ".cordon-fuzz"

// Place is where in a workspace a campaign works. What is in it is the tool's to
// write, so it is read as what hostile code left: through a root, following no
// link, regular files alone (HARDNESS §2).
type Place struct {
	workspace string // absolute
	build     string // below it: WorkDir/{engine}/build, which all harnesses of an engine share
	rel       string // below it: WorkDir/{engine}/harnesses/{harness}
}

// The directories of a Place.
const (
	corpusDir    = "corpus"    // what the fuzzer works with
	artifactsDir = "artifacts" // crash inputs that are not in the store yet
	keptDir      = "kept"      // those that are
	triageDir    = "triage"    // smaller inputs, and what the engine needs for them
	mergedDir    = "merged"
)

// PlaceOf returns where the harness of that name is fuzzed by the engine. Names of
// harnesses may hold anything, the names of directories must not.
func PlaceOf(workspace, engine, harness string) Place {
	top := path.Join(WorkDir, plainName(engine))
	return Place{workspace, path.Join(top, "build"), path.Join(top, "harnesses", plainName(harness))}
}

// plainName spells s as the name of a directory that no shell or compiler stumbles
// over; names that differ stay different.
func plainName(s string) string {
	plain := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return r
		}
		return '_'
	}, s)
	if plain == s && len(s) <= 60 && s != "" {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return plain[:min(len(plain), 50)] + "-" + hex.EncodeToString(sum[:4])
}

// Build is where the engine may build; what several harnesses need is built once.
func (p Place) Build() string { return filepath.Join(p.workspace, p.build) }

func (p Place) dir(name string) string { return filepath.Join(p.workspace, p.rel, name) }

// open opens one of p's directories, wherever its path leads by now.
func (p Place) open(name string) (*os.Root, error) {
	root, err := os.OpenRoot(p.workspace)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// Root.OpenRoot would wait for ever for a writer to a FIFO of that name.
	d, err := root.OpenFile(path.Join(p.rel, name), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", d.Fd()))
}

// Make makes the directories that are not there yet, and empties those that hold
// nothing of use for another attempt.
func (p Place) Make() error {
	root, err := os.OpenRoot(p.workspace)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, fresh := range []string{triageDir, mergedDir} {
		if err := root.RemoveAll(path.Join(p.rel, fresh)); err != nil {
			return err
		}
	}
	dirs := []string{p.build}
	for _, d := range []string{corpusDir, artifactsDir, keptDir, triageDir, mergedDir} {
		dirs = append(dirs, path.Join(p.rel, d))
	}
	for _, d := range dirs {
		if err := root.MkdirAll(d, 0o755); err != nil {
			return err
		}
		if info, err := root.Lstat(d); err != nil || !info.IsDir() {
			return errors.Join(err, fmt.Errorf("%s is no directory", d))
		}
	}
	return nil
}

// artifacts returns the regular files that wait for being kept, the oldest first, at
// most maxArtifacts of them; more says that there may be others. A Place that is gone
// has none, nor has one that the tool has put something else in the place of.
func (p Place) artifacts() (out []fs.FileInfo, more bool, err error) {
	root, err := os.OpenRoot(p.workspace)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer root.Close()
	d, err := root.OpenFile(path.Join(p.rel, artifactsDir), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, false, resources(err)
	}
	defer d.Close()
	for seen := 0; ; {
		entries, err := d.ReadDir(1024)
		for _, e := range entries {
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				out = append(out, info)
			}
		}
		seen += len(entries)
		more = err == nil && len(out) >= maxArtifacts
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return nil, false, err
		case err != nil || more || seen >= maxNames:
			slices.SortFunc(out, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
			return out, more, nil
		}
	}
}

// maxArtifacts bounds how many crash inputs are looked at in one go. Those that
// were kept make room for the others.
const maxArtifacts = 10_000

// maxNames is how many names are looked at among which there may be crash inputs. More
// are the work of somebody who means harm.
const maxNames = 1_000_000

// resources returns err if it is about this process or the disk, and nil if what the
// tool has made of its directories is the reason: that is the tool's own loss.
func resources(err error) error {
	for _, of := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EIO, unix.EINTR} {
		if errors.Is(err, of) {
			return err
		}
	}
	return nil
}

// maxInput is the largest crash input, in bytes, that is kept. Fuzzers' own limits
// are far below: 1 MiB for libFuzzer and AFL++.
const maxInput = 64 * cordon.MiB

// read returns the input of that name in a directory of p.
func (p Place) read(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(p.workspace)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(path.Join(p.rel, dir, name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%.100q is no regular file", name)
	case info.Size() > maxInput:
		return nil, fmt.Errorf("%.100q has %s; inputs of at most %s are kept", name, cordon.FormatBytes(info.Size()), cordon.FormatBytes(maxInput))
	}
	return io.ReadAll(io.LimitReader(f, maxInput))
}

// kept moves an artifact away once it is in the store. It is in the store, so
// that nothing is lost if it stays and is kept again; moved says whether it went.
func (p Place) kept(name string) (moved bool) {
	root, err := os.OpenRoot(p.workspace)
	if err != nil {
		return false
	}
	defer root.Close()
	err = root.Rename(path.Join(p.rel, artifactsDir, name), path.Join(p.rel, keptDir, name))
	if err != nil {
		err = root.Remove(path.Join(p.rel, artifactsDir, name))
	}
	return err == nil
}

// write makes a file of a directory of p anew.
func (p Place) write(dir, name string, data []byte) error {
	root, err := os.OpenRoot(p.workspace)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.OpenFile(path.Join(p.rel, dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
