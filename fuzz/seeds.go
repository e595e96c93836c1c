package fuzz

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// OwnSeeds is an Engine that finds the seeds which lie in a project by itself,
// for its inputs are no plain files.
type OwnSeeds interface {
	Engine
	OwnSeeds()
}

// A project's seeds are small and chosen by hand. What is beyond these bounds is
// something else.
const (
	maxSeeds    = 10_000
	maxSeedSize = 1 << 20
)

// seedDirs returns where projects keep the seeds of a harness, relative to the
// project: beside it or at the top, by the names that OSS-Fuzz, cargo-fuzz and most
// projects use.
func seedDirs(h Harness) []string {
	name := stem(h)
	var dirs []string
	for _, top := range []string{path.Dir(h.File), "fuzz", "."} {
		for _, d := range []string{name + "_seed_corpus", name + "_corpus", "corpus/" + name, "seeds/" + name, "corpora/" + name} {
			dirs = append(dirs, path.Join(top, d))
		}
	}
	return dirs
}

// stem is the harness's name without what its file's kind adds.
func stem(h Harness) string {
	base := path.Base(h.Name)
	return strings.TrimSuffix(base, path.Ext(base))
}

// seed copies the project's own seeds of h into the corpus, and says how many there
// are and where a dictionary lies, "" for none.
func (p Place) seed(ctx context.Context, h Harness) (n int, dictionary string, err error) {
	root, err := os.OpenRoot(p.workspace)
	if err != nil {
		return 0, "", err
	}
	defer root.Close()
	for _, top := range []string{path.Dir(h.File), "fuzz", "."} {
		name := path.Join(top, stem(h)+".dict")
		if info, err := root.Lstat(name); err == nil && info.Mode().IsRegular() && dictionary == "" {
			dictionary = filepath.Join(p.workspace, name)
		}
	}
	add := func(data []byte) error {
		if n++; n > maxSeeds {
			return errEnough
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		sum := sha256.Sum256(data)
		return p.write(corpusDir, hex.EncodeToString(sum[:]), data)
	}
	done := map[string]bool{}
	for _, dir := range seedDirs(h) {
		if done[dir] {
			continue
		}
		done[dir] = true
		err := errors.Join(seedsIn(root, dir, add), zippedSeeds(root, dir+".zip", add))
		switch {
		case errors.Is(err, errEnough):
			return maxSeeds, dictionary, nil
		case err != nil:
			return n, dictionary, err
		}
	}
	return n, dictionary, nil
}

// errEnough says that there are as many seeds as are taken.
var errEnough = errors.New("enough seeds")

// seedsIn calls add with each seed of a directory, which may be missing.
func seedsIn(root *os.Root, dir string, add func([]byte) error) error {
	names, err := listDir(root, dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := readSeed(root, path.Join(dir, name))
		if err != nil {
			continue // no seed then
		}
		if err := add(data); err != nil {
			return err
		}
	}
	return nil
}

// listDir returns what is in a directory, which may be missing.
func listDir(root *os.Root, dir string) ([]string, error) {
	d, err := root.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, nil // no such directory, or a link
	}
	defer d.Close()
	names, err := d.Readdirnames(maxSeeds)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

var errNoSeed = errors.New("no seed")

func readSeed(root *os.Root, name string) ([]byte, error) {
	f, _, err := openSeed(root, name, maxSeedSize)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSeedSize))
}

// openSeed opens a regular file of size bytes, of which there are most at most.
func openSeed(root *os.Root, name string, most int64) (f *os.File, size int64, err error) {
	if f, err = root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0); err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&fs.ModeType != 0 || info.Size() > most {
		f.Close()
		return nil, 0, errNoSeed
	}
	return f, info.Size(), nil
}
