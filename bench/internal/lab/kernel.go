package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// KernelPackage is the Debian package that holds the Linux source tree: about
// 80,000 files, 1.4 GB.
const KernelPackage = "linux-source-6.1"

// KeepDir returns the folder in the user's cache where benches keep what is
// expensive to get. It is there.
func KeepDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	keep := filepath.Join(cache, "cordon-bench")
	return keep, os.MkdirAll(keep, 0o755)
}

// KernelTarball takes the source tree's archive, as Debian packed it, out of the
// package's file deb and into the new file to.
func KernelTarball(ctx context.Context, deb, to string) error {
	const unpack = `dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/src/` + KernelPackage + `.tar.xz > "$2"`
	return Command(ctx, "sh", "-c", unpack, "sh", deb, to)
}

// KernelDeb returns the package's file, downloading it if it is not there.
func KernelDeb(ctx context.Context) (string, error) {
	cache, err := KeepDir()
	if err != nil {
		return "", err
	}
	have, err := filepath.Glob(filepath.Join(cache, KernelPackage+"_*.deb"))
	if len(have) > 0 || err != nil {
		return first(have), err
	}
	// Half a download must not look like a whole one.
	part, err := os.MkdirTemp(cache, "download-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part) // a leftover is only in the way of whoever looks
	if err := CommandIn(ctx, part, "apt-get", "download", KernelPackage); err != nil {
		return "", fmt.Errorf("%w\ninput kernel needs Debian's package %s: make apt-get work, put its .deb into %s, or leave the input out", err, KernelPackage, cache)
	}
	got, err := filepath.Glob(filepath.Join(part, "*.deb"))
	if len(got) == 0 || err != nil {
		return "", fmt.Errorf("apt-get download %s left no package (%v)", KernelPackage, err)
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
