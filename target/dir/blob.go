package dir

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/durable"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/internal/verify"
)

func (s *Store) blobPath(key string) string {
	return filepath.Join(s.root, blobsDir, filepath.FromSlash(key))
}

// PutBlob implements target.Blobs. What uploads of dead processes left behind is
// removed by the next one, whatever its key.
func (s *Store) PutBlob(ctx context.Context, key string, r io.Reader, size int64, opts target.PutBlob) (created bool, err error) {
	const op = "put blob"
	if err := checkBlob(op, key, size); err != nil {
		return false, err
	}
	v, err := verify.New(ctx, r, key, target.PutOptions{Size: size})
	if err == nil {
		created, err = s.putBlob(v, key, opts.IfAbsent)
	}
	if err != nil {
		if v != nil && v.Err() != nil {
			return false, &cordon.Error{Op: op, Name: key, Err: v.Err()} // not the store's fault: the kind is the reader's
		}
		if errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENOTDIR) {
			return false, &cordon.Error{Kind: cordon.InvalidArgument, Op: op, Name: key, Err: fmt.Errorf("another blob lies below it, or it below another: %w", err), Fix: "choose another key"}
		}
		return false, failure(op, key, err)
	}
	return created, nil
}

// checkBlob returns an error unless size bytes may be put under key.
func checkBlob(op, key string, size int64) error {
	err := target.CheckBlobKey(key)
	if err == nil && size < 0 {
		err = &cordon.Error{Kind: cordon.InvalidArgument, Err: fmt.Errorf("it cannot have %d bytes", size), Fix: "state its size"}
	}
	if err != nil {
		return &cordon.Error{Op: op, Err: err}
	}
	return nil
}

func (s *Store) putBlob(v *verify.Reader, key string, ifAbsent bool) (created bool, err error) {
	if err := mkdirDurable(filepath.Join(s.root, blobsDir)); err != nil {
		return false, err
	}
	root, err := os.OpenRoot(filepath.Join(s.root, blobsDir))
	if err != nil {
		return false, err
	}
	defer root.Close()
	if ifAbsent {
		if fi, err := root.Lstat(key); err == nil && fi.Mode().IsRegular() {
			return false, durable.SyncDir(root, path.Dir(key)) // whoever made it may not have come to that
		}
	}
	sweepPuts(root)
	tmp, lock, err := startBlob(root)
	if err != nil {
		return false, err
	}
	defer lock.Unlock()
	defer root.Remove(tmp) // what a rename took away is not there, and what stays is swept by the next Put
	if _, err = fill(lock.File(), v); err != nil {
		return false, err
	}
	created, err = s.publish(root, tmp, key, ifAbsent)
	if err == nil {
		err = durable.SyncDir(root, path.Dir(key))
	}
	return created, err
}

// startBlob makes a locked file to upload into.
func startBlob(root *os.Root) (string, *flock.Lock, error) {
	for range startAttempts {
		tmp := putPrefix + rand.Text()
		if lock, err := flock.Try(root, tmp, flock.Exclusive); lock != nil || err != nil {
			return tmp, lock, err
		} // another Put's sweep had a look at the file before it was locked
	}
	return "", nil, errors.New("other uploads were always in the way")
}

// publish gives the complete file tmp its name. Directories are made for it, again
// where a RemoveBlob takes the empty ones away.
func (s *Store) publish(root *os.Root, tmp, key string, ifAbsent bool) (created bool, err error) {
	for range startAttempts {
		if err = mkdirDurable(filepath.Dir(s.blobPath(key))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if ifAbsent {
			err = root.Link(tmp, key)
		} else {
			err = root.Rename(tmp, key)
		}
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, fs.ErrExist): // what os.Root says of a directory too
			if fi, err := root.Lstat(key); err == nil && fi.IsDir() {
				return false, fmt.Errorf("%s: %w", s.blobPath(key), syscall.EISDIR)
			}
			if ifAbsent {
				return false, nil
			}
			return false, err
		case !errors.Is(err, fs.ErrNotExist):
			return false, err
		}
	}
	return false, err
}

// OpenBlob implements target.Blobs. A blob that is replaced or removed meanwhile
// is read to its end as it was.
func (s *Store) OpenBlob(ctx context.Context, key string) (io.ReadCloser, target.BlobInfo, error) {
	const op = "open blob"
	if err := checkBlob(op, key, 0); err != nil {
		return nil, target.BlobInfo{}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, target.BlobInfo{}, failure(op, key, err)
	}
	f, fi, err := openRegular(s.blobPath(key))
	switch {
	case isAbsent(err), errors.Is(err, errIrregular):
		return nil, target.BlobInfo{}, &cordon.Error{Kind: cordon.TargetNotFound, Op: op, Name: key, Err: fmt.Errorf("there is no file %s", s.blobPath(key)), Fix: "check the name, and which directory the store is in"}
	case err != nil:
		return nil, target.BlobInfo{}, failure(op, key, err)
	}
	info := target.BlobInfo{Key: key, Size: fi.Size(), Modified: fi.ModTime()}
	return &blobReader{ctx: ctx, f: f, info: info}, info, nil
}

// blobReader reads a blob.
type blobReader struct {
	ctx  context.Context
	f    *os.File
	info target.BlobInfo
	n    int64
}

func (r *blobReader) Read(p []byte) (n int, err error) {
	if err = r.ctx.Err(); err == nil {
		n, err = r.f.Read(p)
		r.n += int64(n)
	}
	if err == io.EOF && r.n < r.info.Size {
		err = fmt.Errorf("it ends after %d of %d bytes: %w", r.n, r.info.Size, io.ErrUnexpectedEOF)
	}
	if err != nil && err != io.EOF {
		err = failure("read blob", r.info.Key, err)
	}
	return n, err
}

func (r *blobReader) Close() error { return r.f.Close() }

// ListBlobs implements target.Blobs. Files that were put there by hand under names
// that no blob has are passed over, and so are links.
func (s *Store) ListBlobs(ctx context.Context, prefix string) iter.Seq2[target.BlobInfo, error] {
	return func(yield func(target.BlobInfo, error) bool) {
		const op = "list blobs"
		if err := target.CheckBlobPrefix(prefix); err != nil {
			yield(target.BlobInfo{}, &cordon.Error{Op: op, Err: err})
			return
		}
		s.listBelow(ctx, prefix, func(info target.BlobInfo, err error) bool {
			if err != nil {
				err = failure(op, cmp.Or(prefix, s.blobPath("")), err)
			}
			return yield(info, err)
		})
	}
}

// listBelow yields what lies below the directory of prefix, and reports whether
// more is wanted.
func (s *Store) listBelow(ctx context.Context, prefix string, yield func(target.BlobInfo, error) bool) bool {
	entries, err := os.ReadDir(s.blobPath(prefix))
	if isAbsent(err) {
		return true // nothing yet, or removed while it is listed
	}
	if err = cmp.Or(err, ctx.Err()); err != nil {
		yield(target.BlobInfo{}, err)
		return false
	}
	// In the order of the keys: "a-b" comes before "a/b".
	full := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(full(a), full(b)) })
	for _, e := range entries {
		key := path.Join(prefix, e.Name())
		if target.CheckBlobKey(key) != nil {
			continue // an upload on its way, for one
		}
		if e.IsDir() {
			if !s.listBelow(ctx, key, yield) {
				return false
			}
			continue
		}
		fi, err := e.Info()
		if isAbsent(err) || err == nil && !fi.Mode().IsRegular() {
			continue
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(target.BlobInfo{}, err)
			return false
		}
		if !yield(target.BlobInfo{Key: key, Size: fi.Size(), Modified: fi.ModTime()}, nil) {
			return false
		}
	}
	return true
}

// RemoveBlob implements target.Blobs. Directories that it leaves empty go with it.
func (s *Store) RemoveBlob(ctx context.Context, key string) error {
	const op = "remove blob"
	if err := checkBlob(op, key, 0); err != nil {
		return err
	}
	err := ctx.Err()
	if err == nil {
		err = syscall.Unlink(s.blobPath(key))
	}
	if errors.Is(err, syscall.EISDIR) || isAbsent(err) {
		err = nil
	}
	if err != nil {
		return failure(op, key, err)
	}
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if syscall.Rmdir(s.blobPath(dir)) != nil {
			break // something else is in there
		}
	}
	return nil
}
