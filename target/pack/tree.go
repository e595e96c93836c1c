package pack

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/cordonlabs/cordon"
)

// modTime is the time of everything in an archive: checkouts of one commit
// differ in nothing else. It is the earliest that a zip file can hold, for the
// tools that make one of a tree.
var modTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// tally counts what a walk finds.
type tally struct {
	sum   Summary
	scale scale
}

func (c *tally) entry(e *found) error {
	switch {
	case e.isDir():
		c.sum.Dirs++
	case e.isFile():
		c.sum.Files++
		c.sum.Bytes += e.st.Size
	default:
		c.sum.Links++
	}
	c.scale.add(e)
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
	out   *frames
	tw    tar.Writer
	moved func(int)
}

func (a *archiver) entry(e *found) error {
	if err := a.tally.entry(e); err != nil {
		return err
	}
	h := &tar.Header{Name: e.path, Mode: 0o755, ModTime: modTime, Format: tar.FormatPAX}
	switch {
	case e.isDir():
		h.Typeflag, h.Name = tar.TypeDir, e.path+"/"
	case e.isFile():
		return a.file(e, h)
	default:
		link, err := e.in.readlink(e.name)
		if err != nil {
			return e.cause(err)
		}
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, link, 0o777
	}
	return a.header(h)
}

// header writes the header of an entry. To the tar.Writer each is the first one,
// because the content goes past it, from the file into the frame.
func (a *archiver) header(h *tar.Header) error {
	a.tw = *tar.NewWriter(a.out)
	return a.tw.WriteHeader(h)
}

func (a *archiver) file(e *found, h *tar.Header) error {
	fd, err := e.in.file(e.name)
	if err != nil {
		return e.cause(err)
	}
	defer closeFile(fd)
	h.Typeflag, h.Size = tar.TypeReg, e.st.Size
	if e.st.Mode&0o100 == 0 {
		h.Mode = 0o644
	}
	if err := a.header(h); err != nil {
		return err
	}
	if err := a.content(e, fd); err != nil {
		return err
	}
	// One look afterwards is enough for all that may have happened since the walk
	// has seen the file: another one in its place, a FIFO, a writer.
	if st, err := statFile(fd); err != nil || !same(&st, &e.st) {
		return cmp.Or(err, errChanging)
	}
	_, err = a.out.Write(zeros[:-e.st.Size&(tarBlock-1)])
	return err
}

// content copies the file e, which is open.
func (a *archiver) content(e *found, fd int) error {
	const step = 1 << 20 // bytes read at once: often enough for a cancel and for progress
	var done int64
	for {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		room, err := a.out.space()
		if err != nil {
			return err
		}
		n, err := readFile(fd, room[:min(step, len(room))])
		if err != nil {
			return e.cause(err)
		}
		if n == 0 {
			break
		}
		if done += int64(n); done > e.st.Size {
			return errChanging
		}
		a.out.advance(n)
		a.moved(n)
	}
	if done != e.st.Size {
		return errChanging
	}
	return nil
}

// tarBlock is what everything in a tar archive is a multiple of, in bytes.
const tarBlock = 512

var zeros [tarBlock]byte

// writeTree writes the archive of the tree to raw, if that is not nil, and
// compressed to object.
func (s *Source) writeTree(ctx context.Context, raw hash.Hash, object io.Writer, moved func(int)) (Summary, error) {
	if s.kit == nil {
		k, err := newKit()
		if err != nil {
			return Summary{}, err
		}
		s.kit = k
	}
	a := &archiver{ctx: ctx, out: newFrames(ctx, s.kit, object, raw), moved: moved}
	err := walk(ctx, s.path, a)
	if err == nil {
		err = tar.NewWriter(a.out).Close()
	}
	if err := a.out.finish(err); err != nil {
		return Summary{}, err
	}
	a.sum.Heavy = a.scale.heavy()
	return a.sum, nil
}

// hashTree compresses too, although the id does not need it: an object's size and
// digest go ahead of its bytes, and where a store has an object under the id, only
// its digest says that it is this one and whole. Without, a folder that is stored
// already would be done in a third of the time, but by trusting whatever has its
// name; and any other would have to be read three times.
func (s *Source) hashTree(ctx context.Context, progress Progress) (Summary, error) {
	var total int64
	if progress != nil {
		var first tally
		if err := walk(ctx, s.path, &first); err != nil {
			return Summary{}, err
		}
		total = first.sum.Bytes
	}
	raw, object := sha256.New(), newDigest()
	sum, err := s.writeTree(ctx, raw, object, meter(progress, total))
	if err != nil {
		return Summary{}, err
	}
	if sum.Files+sum.Links == 0 {
		return Summary{}, s.nothing(sum)
	}
	if sum.ID, err = idOf(raw.Sum(nil)); err != nil {
		return Summary{}, err
	}
	sum.Kind, sum.UploadSize, sum.SHA256 = Tree, object.n, object.hex()
	return sum, nil
}

// sendTree writes the object to w. If the tree is not what Hash saw that is an
// error, which w's reader must get in place of the end.
func (s *Source) sendTree(ctx context.Context, w io.Writer) error {
	object := newDigest()
	if _, err := s.writeTree(ctx, nil, io.MultiWriter(object, w), func(int) {}); err != nil {
		return err
	}
	if object.hex() != s.sum.SHA256 { // the same object has the same content, and is less to hash
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

// digest is the size and the SHA-256 of what is written to it.
type digest struct {
	n   int64
	sum hash.Hash
}

func newDigest() *digest { return &digest{sum: sha256.New()} }

func (d *digest) Write(p []byte) (int, error) {
	d.n += int64(len(p))
	return d.sum.Write(p)
}

func (d *digest) hex() string { return hex.EncodeToString(d.sum.Sum(nil)) }
