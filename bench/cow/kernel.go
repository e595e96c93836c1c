package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon/archive"
)

// kernelPackage is the Debian package that holds the Linux source tree: about
// 80,000 files, 1.4 GB.
const kernelPackage = "linux-source-6.1"

// kernelTree puts the kernel's source tree into dir, which is empty. The package
// is downloaded once and kept in the user's cache folder.
func kernelTree(ctx context.Context, work, dir string) error {
	deb, err := kernelDeb(ctx)
	if err != nil {
		return err
	}
	tarball := filepath.Join(work, "linux.tar.xz")
	defer os.Remove(tarball) // it is in the temporary directory
	const unpack = `dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/src/` + kernelPackage + `.tar.xz > "$2"`
	if err := command(ctx, "sh", "-c", unpack, "sh", deb, tarball); err != nil {
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

// kernelDeb returns the package's file, downloading it if it is not there.
func kernelDeb(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "cordon-bench")
	have, err := filepath.Glob(filepath.Join(cache, kernelPackage+"_*.deb"))
	if len(have) > 0 || err != nil {
		return first(have), err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	// Half a download must not look like a whole one.
	part, err := os.MkdirTemp(cache, "download-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part) // a leftover is only in the way of whoever looks
	if err := commandIn(ctx, part, "apt-get", "download", kernelPackage); err != nil {
		return "", fmt.Errorf("%w\ninput kernel needs Debian's package %s: make apt-get work, put its .deb into %s, or leave the input out", err, kernelPackage, cache)
	}
	got, err := filepath.Glob(filepath.Join(part, "*.deb"))
	if len(got) == 0 || err != nil {
		return "", fmt.Errorf("apt-get download %s left no package (%v)", kernelPackage, err)
	}
	to := filepath.Join(cache, filepath.Base(got[0]))
	return to, os.Rename(got[0], to)
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}
