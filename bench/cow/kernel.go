package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// kernelTree puts the kernel's source tree into dir, which is empty. The package
// is downloaded once and kept in the user's cache folder.
func kernelTree(ctx context.Context, work, dir string) error {
	deb, err := lab.KernelDeb(ctx)
	if err != nil {
		return err
	}
	tarball := filepath.Join(work, "linux.tar.xz")
	defer os.Remove(tarball) // it is in the temporary directory
	if err := lab.KernelTarball(ctx, deb, tarball); err != nil {
		return err
	}
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	return extractInto(ctx, f, dir)
}

// extractInto extracts the archive in f into the empty directory dir.
func extractInto(ctx context.Context, f *os.File, dir string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	_, err = archive.Extract(ctx, f, info.Size(), root, archive.Options{})
	return err
}
