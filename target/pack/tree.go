package pack

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/cordonlabs/cordon"
)

// modTime is the time of everything in an archive: checkouts of one commit
// differ in nothing else. It is the earliest that a zip file can hold, for the
// tools that make one of a tree.
var modTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// tally counts what a walk finds.
type tally struct{ sum Summary }

func (c *tally) entry(_ *os.Root, path string, fi fs.FileInfo) error {
	switch {
	case fi.IsDir():
		c.sum.Dirs++
	case fi.Mode().IsRegular():
		c.sum.Files++
		c.sum.Bytes += fi.Size()
	default:
		c.sum.Links++
	}
	return nil
}

func (c *tally) omit(path, reason string) {
	if reason == "" {
		c.sum.Ignored++
	} else {
		c.sum.Skipped = append(c.sum.Skipped, Skip{path, reason})
	}
}

// archiver writes what a walk finds into a tar archive.
type archiver struct {
	tally
	ctx   context.Context
	tw    *tar.Writer
	moved func(int)
}

func (a *archiver) entry(root *os.Root, path string, fi fs.FileInfo) error {
	if err := a.tally.entry(root, path, fi); err != nil {
		return err
	}
	h := &tar.Header{Name: path, Mode: 0o755, ModTime: modTime, Format: tar.FormatPAX}
	switch {
	case fi.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, path+"/"
		return a.tw.WriteHeader(h)
	case fi.Mode().IsRegular():
		return a.file(root, h, fi)
	}
	link, err := root.Readlink(fi.Name())
	if err != nil {
		return err
	}
	h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, link, 0o777
	return a.tw.WriteHeader(h)
}

func (a *archiver) file(root *os.Root, h *tar.Header, seen fs.FileInfo) error {
	f, fi, err := openFile(root, seen.Name())
	if err != nil {
		return err
	}
	defer f.Close()
	if !os.SameFile(fi, seen) {
		return errChanging
	}
	h.Typeflag, h.Size = tar.TypeReg, fi.Size()
	if fi.Mode()&0o100 == 0 {
		h.Mode = 0o644
	}
	if err := a.tw.WriteHeader(h); err != nil {
		return err
	}
	return copyWhole(a.ctx, a.tw, f, fi, a.moved)
}

// writeTree writes the archive of the tree to raw and, compressed, to object.
func (s *Source) writeTree(ctx context.Context, raw, object io.Writer, moved func(int)) (Summary, error) {
	enc, err := newEncoder(object, encoderThreads)
	if err != nil {
		return Summary{}, err
	}
	a := &archiver{ctx: ctx, tw: tar.NewWriter(io.MultiWriter(raw, enc)), moved: moved}
	err = walk(ctx, s.path, a)
	if err == nil {
		err = a.tw.Close()
	}
	if err != nil {
		enc.Reset(nil) // waits for what is being compressed, and writes no end that would make the object look whole
		return Summary{}, err
	}
	return a.sum, enc.Close()
}

// encoderThreads lets compressing overlap with reading and hashing; more would
// find nothing to do.
const encoderThreads = 2

// newEncoder returns the compressor of all trees. Its level is the fastest: it
// keeps up with a disk, and the next better one saves a tenth of the size at
// half of the speed. The level's window, 4 MiB, bounds the memory of both sides.
func newEncoder(w io.Writer, threads int) (*zstd.Encoder, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(threads))
}

func (s *Source) hashTree(ctx context.Context, progress Progress) (Summary, error) {
	var found tally
	if err := walk(ctx, s.path, &found); err != nil {
		return Summary{}, err
	}
	raw, object := sha256.New(), sha256.New()
	size := &counter{}
	sum, err := s.writeTree(ctx, raw, io.MultiWriter(object, size), meter(progress, found.sum.Bytes))
	if err != nil {
		return Summary{}, err
	}
	if sum.Files+sum.Links == 0 {
		return Summary{}, s.nothing(sum)
	}
	if sum.ID, err = idOf(raw.Sum(nil)); err != nil {
		return Summary{}, err
	}
	sum.Kind, sum.UploadSize, sum.SHA256 = Tree, size.n, hex.EncodeToString(object.Sum(nil))
	return sum, nil
}

// sendTree writes the object to w. If the tree is not what Hash saw that is an
// error, which w's reader must get in place of the end.
func (s *Source) sendTree(ctx context.Context, w io.Writer) error {
	raw := sha256.New()
	if _, err := s.writeTree(ctx, raw, w, func(int) {}); err != nil {
		return err
	}
	if id, err := idOf(raw.Sum(nil)); err != nil || id != s.sum.ID {
		return changed("upload", s.path, errors.New("the folder is not what it was when its id was made"))
	}
	return nil
}

// nothing is the error of a tree in which there is nothing to pack.
func (s *Source) nothing(sum Summary) error {
	why := "the folder is empty"
	switch {
	case sum.Ignored > 0:
		why = fmt.Sprintf("the folder has no files but those that %s leaves out", IgnoreFile)
	case len(sum.Skipped) > 0:
		why = "the folder has nothing but sockets, FIFOs and devices"
	case sum.Dirs > 0:
		why = "the folder holds empty folders only"
	}
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "pack", Name: fmt.Sprintf("%q", s.path), Err: errors.New(why), Fix: "give a folder with files in it"}
}

// counter counts what is written.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
