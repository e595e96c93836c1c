package main

import (
	"archive/tar"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// tree is what comes out of an object.
type tree struct {
	name  string
	files int64 // about
	bytes int64 // about, without what blocks are filled up with

	// pour writes the tree's uncompressed archive; of a single file its content.
	pour func(ctx context.Context, w io.Writer, format string) error
}

func kernelTree() *tree {
	return &tree{name: "kernel", files: 80_000, bytes: 1360 * cordon.MB, pour: func(ctx context.Context, w io.Writer, _ string) error {
		for _, in := range inputs(false) {
			if in.name == "kernel.tar.xz" {
				if err := in.keep(ctx); err != nil {
					return err
				}
				return pipe(ctx, nil, w, "xz", "-dc", in.path)
			}
		}
		panic("no input kernel.tar.xz")
	}}
}

// kernelShipped is the archive that Debian packed.
func kernelShipped(ctx context.Context, to string) error {
	deb, err := lab.KernelDeb(ctx)
	if err != nil {
		return err
	}
	return lab.KernelTarball(ctx, deb, to)
}

// Sizes of the generated trees.
const (
	bigBytes, quickBigBytes = 2 * cordon.GB, 200 * cordon.MB
	tinyDirs, quickTinyDirs = 5000, 200
	tinyEach                = 100 // files in each directory
	tinyBytes               = 100 // in each file
)

func bigTree(size int64) *tree {
	return &tree{name: "big", files: 1, bytes: size, pour: func(_ context.Context, w io.Writer, format string) error {
		if format == image {
			return halfCompressible(w, size)
		}
		t := tar.NewWriter(w)
		if err := t.WriteHeader(&tar.Header{Name: "big.img", Mode: 0o644, Size: size}); err != nil {
			return err
		}
		if err := halfCompressible(t, size); err != nil {
			return err
		}
		return t.Close()
	}}
}

// halfCompressible writes bytes of which every other page is text and the rest
// cannot be compressed.
func halfCompressible(w io.Writer, size int64) error {
	const page = 4 << 10
	random := rand.NewChaCha8([32]byte{1})
	block := []byte(strings.Repeat("All work and no play makes Jack a dull boy. ", (1<<20)/44+1))[:1<<20]
	for left := size; left > 0; left -= int64(len(block)) {
		for at := page; at < len(block); at += 2 * page {
			_, _ = random.Read(block[at : at+page]) // it never fails
		}
		if _, err := w.Write(block[:min(left, int64(len(block)))]); err != nil {
			return err
		}
	}
	return nil
}

func tinyTree(dirs int64) *tree {
	files := dirs * tinyEach
	return &tree{name: "tiny", files: files, bytes: files * tinyBytes, pour: func(_ context.Context, w io.Writer, _ string) error {
		t := tar.NewWriter(w)
		random := rand.NewChaCha8([32]byte{2})
		var raw [tinyBytes / 2]byte
		for d := range dirs {
			if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: fmt.Sprintf("dir%04d/", d), Mode: 0o755}); err != nil {
				return err
			}
			for f := range tinyEach {
				if err := t.WriteHeader(&tar.Header{Name: fmt.Sprintf("dir%04d/file%02d.txt", d, f), Mode: 0o644, Size: tinyBytes}); err != nil {
					return err
				}
				_, _ = random.Read(raw[:]) // it never fails
				if _, err := t.Write([]byte(hex.EncodeToString(raw[:]))); err != nil {
					return err
				}
			}
		}
		return t.Close()
	}}
}
