// Package pack turns a folder into an object of a store, and a file into itself.
//
// A folder becomes a tar archive compressed with zstandard, on all cores and in
// bounded memory, which "tar --zstd -xf" unpacks. The same content is always the
// same archive, whoever packs it and wherever: names in the order of their bytes,
// one modification time, modes 0644 and 0755, no owners, hard links as files of
// their own. Symbolic links are kept as they are and never followed; empty
// folders are kept; sockets, FIFOs and devices are left out and reported; what an
// IgnoreFile says is left out. Whatever else lies in the folder is content, .git
// too: where its inner state differs, the ids of two clones of one commit differ.
//
// The id is "sha256-" and the hex SHA-256 of the archive before compression, or
// of the file as it is (CONTRACT §8.8): the same project uploaded twice is one
// target. Nothing is copied: a folder is read once for its id and once more
// while it is sent, and one that changes in between is not stored.
package pack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// Kind is what a source is.
type Kind string

// The kinds of source.
const (
	Tree Kind = "tree" // a folder
	File Kind = "file" // a regular file, which may be an archive; stored as it is
)

// Summary says what was found in a source and what its upload is.
type Summary struct {
	ID         cordon.TargetID
	Kind       Kind
	Files      int     // regular files
	Links      int     // symbolic links
	Dirs       int     // folders below the root
	Bytes      int64   // in regular files
	Ignored    int     // names that an IgnoreFile leaves out; what is below a folder is not counted
	Skipped    []Skip  // names that cannot be packed
	Heavy      []Heavy // what is packed and rarely wanted
	UploadSize int64   // bytes of the object
	SHA256     string  // of the object, in hex
}

// Skip is something that was left out because it has no content to pack.
type Skip struct {
	Path   string // relative to the root, with slashes
	Reason string // "a socket", "a FIFO", "a device"
}

// Progress is told how far a call has come, in bytes. It is called from one
// goroutine at a time, at most about once per mebibyte, and must return at once.
type Progress func(done, total int64)

// Source is a folder or a file that can be put into a store. It may be used by
// one goroutine at a time, holds nothing open and needs no closing.
type Source struct {
	path string // absolute, without links
	kind Kind
	sum  *Summary // of the last Hash
	kit  *kit     // of the last Hash, until an Upload has used it; nil for a file
}

// Open returns the folder or file at path; a link to one will do. What is not
// there is TargetNotFound, anything but a folder or a regular file InvalidArgument.
func Open(path string) (*Source, error) {
	const op = "open source"
	abs, err := filepath.Abs(path)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	var fi fs.FileInfo
	if err == nil {
		fi, err = os.Stat(abs)
	}
	name := fmt.Sprintf("%q", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, &cordon.Error{Kind: cordon.TargetNotFound, Op: op, Name: name, Err: errors.New("no such file or folder"), Fix: "check the path"}
	case err != nil:
		return nil, unreadable(op, path, err)
	case fi.IsDir():
		return &Source{path: abs, kind: Tree}, nil
	case fi.Mode().IsRegular():
		return &Source{path: abs, kind: File}, nil
	}
	return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: op, Name: name, Err: fmt.Errorf("it is %s", special(fi.Mode())), Fix: "give a folder, an archive or another regular file"}
}

// Path returns the absolute path of the source, without links.
func (s *Source) Path() string { return s.path }

// Hash reads the source and says what it holds and what its id is. A folder
// with nothing to pack is InvalidArgument; what cannot be read is
// PermissionDenied and named; what changes while it is read is
// IntegrityMismatch. progress may be nil.
func (s *Source) Hash(ctx context.Context, progress Progress) (Summary, error) {
	var sum Summary
	var err error
	if s.kind == Tree {
		sum, err = s.hashTree(ctx, progress)
	} else {
		sum, err = s.hashFile(ctx, progress)
	}
	if err != nil {
		s.sum = nil
		return Summary{}, err
	}
	s.sum = &sum
	return sum, nil
}

// Upload stores the source under its id, after a Hash if there was none. Where
// the store has that object already, nothing is sent and existed is true; it is
// true as well where somebody else has stored it in the meantime. A source that
// is no longer what Hash saw fails with IntegrityMismatch, and nothing is stored.
// progress is of the bytes that have gone out to the store, or were there from an
// upload that broke off; it falls back where some are sent again, and may be nil.
func (s *Source) Upload(ctx context.Context, store target.Store, progress Progress) (info target.Info, existed bool, err error) {
	defer func() { s.kit = nil }()
	if s.sum == nil {
		if _, err := s.Hash(ctx, nil); err != nil {
			return target.Info{}, false, err
		}
	}
	for resume := true; ; resume = false {
		if info, existed, err = s.stored(ctx, store); existed || err != nil {
			return info, existed, err
		}
		info, err = s.put(ctx, store, resume, progress)
		if !resume || cordon.KindOf(err) != cordon.Busy {
			return info, false, err
		}
		// The parts that were to be continued are of other bytes, as another release's
		// encoder makes them, or somebody else is at work on them and may have joined
		// them already. An upload of its own is in nobody's way, and nobody in its.
	}
}

// stored returns what the store has under the source's id, and whether that is
// what an upload would store. Its digest decides. Where a store has none the size
// does, but under the id of the content alone: under any other, as `--id` gives
// one, there may be anything.
func (s *Source) stored(ctx context.Context, store target.Store) (info target.Info, is bool, err error) {
	info, err = store.Stat(ctx, s.sum.ID)
	switch {
	case cordon.KindOf(err) == cordon.TargetNotFound:
		return target.Info{}, false, nil
	case err != nil:
		return target.Info{}, false, err
	case info.SHA256 != "":
		return info, info.SHA256 == s.sum.SHA256, nil
	}
	return info, info.ID == s.sum.ID && info.Size == s.sum.UploadSize, nil
}

// put stores the object. resume continues an upload that broke off: under an id
// that is made of the content, what has arrived of it is the beginning of this one.
func (s *Source) put(ctx context.Context, store target.Store, resume bool, progress Progress) (target.Info, error) {
	r, stop, err := s.open(ctx)
	if err != nil {
		return target.Info{}, err
	}
	defer stop()
	return store.Put(ctx, s.sum.ID, r, target.PutOptions{Size: s.sum.UploadSize, SHA256: s.sum.SHA256, Resume: resume, Sent: account(progress, s.sum.UploadSize)})
}

// open returns the bytes of the object. They end with an error where the source
// has changed since Hash. stop ends what produces them, and waits for it.
func (s *Source) open(ctx context.Context) (r io.Reader, stop func(), err error) {
	if s.kind == File {
		return s.openAgain(ctx)
	}
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pw.CloseWithError(s.sendTree(ctx, pw)) // nil is the end of the bytes
	}()
	return pr, func() { pr.Close(); <-done }, nil
}

// idOf returns the id of content with that digest.
func idOf(sum []byte) (cordon.TargetID, error) {
	return cordon.ParseTargetID("sha256-" + hex.EncodeToString(sum))
}

// meter returns what counts bytes for progress.
func meter(progress Progress, total int64) (moved func(int)) {
	at := account(progress, total)
	var done int64
	return func(n int) {
		done += int64(n)
		at(done)
	}
}

// account returns what is told how many bytes are through so far, and tells
// progress of every mebibyte, be it one that has to be sent again, and of the end.
func account(progress Progress, total int64) (at func(done int64)) {
	const step = 1 << 20 // a call each would cost more than the bytes, were it for every buffer of every small file
	var told int64
	return func(done int64) {
		if progress == nil || done == told {
			return
		}
		if done == total || done-told >= step || told-done >= step {
			told = done
			progress(done, total)
		}
	}
}

// changed is the error of a source that is not what it was a moment ago.
func changed(op, path string, err error) error {
	return &cordon.Error{Kind: cordon.IntegrityMismatch, Op: op, Name: fmt.Sprintf("%q", path), Err: err, Fix: "wait until nothing writes to it, and try again"}
}

// unreadable is the error of a part of a source that cannot be read. An error
// that has a kind keeps it.
func unreadable(op, path string, err error) error {
	e := &cordon.Error{Op: op, Name: fmt.Sprintf("%q", path), Err: err}
	switch {
	case cordon.KindOf(err) != "":
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case errors.Is(err, errChanging):
		return changed(op, path, err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		e.Err = fmt.Errorf("%w: each level of folders takes one", err)
		e.Fix = "allow more open files (ulimit -n), or leave the deepest folders out in " + IgnoreFile
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Fix = cordon.PermissionDenied, "make it readable, or leave it out in "+IgnoreFile
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		return changed(op, path, fmt.Errorf("it was there a moment ago: %w", err))
	}
	return e
}

// hashFile is Hash of a single file.
func (s *Source) hashFile(ctx context.Context, progress Progress) (Summary, error) {
	f, fi, err := openFile(s.path)
	if err != nil {
		return Summary{}, unreadable("read", s.path, err)
	}
	defer f.Close()
	h := sha256.New()
	if err := copyWhole(ctx, h, f, fi, meter(progress, fi.Size())); err != nil {
		return Summary{}, unreadable("read", s.path, err)
	}
	id, err := idOf(h.Sum(nil))
	if err != nil {
		return Summary{}, err
	}
	return Summary{ID: id, Kind: File, Files: 1, Bytes: fi.Size(), UploadSize: fi.Size(), SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// openAgain returns the bytes of a single file, which must be those of Hash.
func (s *Source) openAgain(ctx context.Context) (io.Reader, func(), error) {
	f, fi, err := openFile(s.path)
	if err != nil {
		return nil, nil, unreadable("read", s.path, err)
	}
	if fi.Size() != s.sum.Bytes {
		f.Close()
		return nil, nil, changed("upload", s.path, fmt.Errorf("it had %d bytes and has %d", s.sum.Bytes, fi.Size()))
	}
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h := sha256.New()
		err := copyWhole(ctx, io.MultiWriter(h, pw), f, fi, func(int) {})
		switch {
		case errors.Is(err, errChanging):
			err = changed("upload", s.path, err)
		case err == nil && hex.EncodeToString(h.Sum(nil)) != s.sum.SHA256:
			err = changed("upload", s.path, errors.New("its content is not what it was"))
		}
		pw.CloseWithError(err)
	}()
	return pr, func() { pr.Close(); <-done; f.Close() }, nil
}
