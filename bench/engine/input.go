package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
)

// smallFiles is how many files a small target has: what is left to see when its
// size does not matter.
const smallFiles = 3

const (
	perDir    = 100 // files in each directory of a tree
	fileBytes = 100 // in each file
)

// small is the target that hits and entries are of.
const small = "small"

// treeName is the target of a tree of so many files.
func treeName(files int) string { return fmt.Sprintf("tree%d", files) }

// pour writes the archive of a tree.
func pour(w io.Writer, files int) error {
	t := tar.NewWriter(w)
	content := bytes.Repeat([]byte("."), fileBytes)
	for f := range files {
		d := f / perDir
		if f%perDir == 0 {
			if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: fmt.Sprintf("dir%04d/", d), Mode: 0o755}); err != nil {
				return err
			}
		}
		if err := t.WriteHeader(&tar.Header{Name: fmt.Sprintf("dir%04d/file%02d.txt", d, f%perDir), Mode: 0o644, Size: fileBytes}); err != nil {
			return err
		}
		if _, err := t.Write(content); err != nil {
			return err
		}
	}
	return t.Close()
}

// fillStore puts the targets into a directory store at path, and their archives
// beside it for others to unpack.
func fillStore(ctx context.Context, path string, files []int) error {
	store, err := dir.Open(path)
	if err != nil {
		return err
	}
	put := func(name string, files int) error {
		id, err := cordon.ParseTargetID(name)
		if err != nil {
			return err
		}
		f, err := os.Create(archiveOf(path, name))
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pour(f, files); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err = store.Put(ctx, id, f, target.PutOptions{Size: -1})
		return err
	}
	all := put(small, smallFiles)
	for _, n := range files {
		all = errors.Join(all, put(treeName(n), n))
	}
	return all
}

// archiveOf returns where the archive of a target lies outside of the store.
func archiveOf(store, name string) string {
	return filepath.Join(filepath.Dir(store), name+".tar")
}
