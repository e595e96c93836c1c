package main

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// deflateWindow is what a deflate decoder must look back, by its definition.
const deflateWindow = 32 * cordon.KiB

// look finds out what the object at path holds, without Cordon.
func (in *input) look(ctx context.Context, path string) (c contents, err error) {
	switch in.format {
	case image:
		info, err := os.Stat(path)
		if err != nil {
			return c, err
		}
		return contents{Files: 1, TreeBytes: info.Size(), Inodes: 1}, nil
	case "zip":
		return lookZip(path)
	case "tar":
		f, err := os.Open(path)
		if err != nil {
			return c, err
		}
		defer f.Close()
		return lookTar(f)
	}
	r, w := io.Pipe()
	decoded := make(chan error, 1)
	go func() {
		argv := append(decoders[in.format], path)
		err := pipe(ctx, nil, w, argv[0], argv[1:]...)
		w.CloseWithError(err)
		decoded <- err
	}()
	c, err = lookTar(r)
	r.CloseWithError(err)
	if err := errors.Join(err, <-decoded); err != nil {
		return c, err
	}
	c.Window, err = window(ctx, in.format, path)
	return c, err
}

// decoders are the programs that decompress a file to their output.
var decoders = map[string][]string{
	// gzip refuses a name without .gz, and zcat does not.
	"tar.gz": {"zcat"}, "tar.zst": {"zstd", "-q", "-dc"}, "tar.xz": {"xz", "-dc"},
}

func lookTar(r io.Reader) (c contents, err error) {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, r) // what fills up the last record
			return c, err
		}
		if err != nil {
			return c, err
		}
		c.Inodes++
		if h.Typeflag == tar.TypeReg {
			c.Files++
			c.TreeBytes += h.Size
		}
	}
}

func lookZip(path string) (contents, error) {
	c := contents{Window: deflateWindow}
	z, err := zip.OpenReader(path)
	if err != nil {
		return c, err
	}
	defer z.Close()
	for _, f := range z.File {
		c.Inodes++
		if f.Mode().IsRegular() {
			c.Files++
			c.TreeBytes += int64(f.UncompressedSize64)
		}
	}
	return c, nil
}

var zstdWindow = regexp.MustCompile(`Window Size:.*\((\d+) B\)`)

// window returns what a decoder of the file at path must look back, as the
// format's own program says it.
func window(ctx context.Context, format, path string) (int64, error) {
	switch format {
	case "tar.zst":
		said, err := lab.Output(ctx, "zstd", "-lv", path)
		if err != nil {
			return 0, err
		}
		if m := zstdWindow.FindStringSubmatch(said); m != nil {
			return strconv.ParseInt(m[1], 10, 64)
		}
		return 0, fmt.Errorf("zstd -lv says no window: %q", said)
	case "tar.xz":
		said, err := lab.Output(ctx, "xz", "--robot", "-lvv", path)
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(said) {
			// summary, memory needed to decompress, …; xz(1)
			if f := strings.Split(strings.TrimSpace(line), "\t"); f[0] == "summary" && len(f) > 1 {
				return strconv.ParseInt(f[1], 10, 64)
			}
		}
		return 0, fmt.Errorf("xz -lvv says no memory: %q", said)
	}
	return deflateWindow, nil
}
