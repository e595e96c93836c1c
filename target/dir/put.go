package dir

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/durable"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/internal/verify"
)

// putBuffer is how much is read at once from an uploader, in bytes: enough for
// the system calls not to matter beside the copying.
const putBuffer = 256 << 10

// Put implements target.Store. The object is durable when Put returns.
func (s *Store) Put(ctx context.Context, id cordon.TargetID, r io.Reader, opts target.PutOptions) (target.Info, error) {
	const op = "put target"
	v, err := verify.New(ctx, r, id.String(), opts)
	if err != nil {
		return target.Info{}, failure(op, id.String(), err)
	}
	info, err := s.put(ctx, id, v)
	if err != nil {
		_ = os.Remove(s.dirOf(id)) // only if it is empty: then this Put has made it
		if v.Err() != nil {
			return target.Info{}, &cordon.Error{Op: op, Name: id.String(), Err: v.Err()} // not the store's fault: the kind is the reader's
		}
		return target.Info{}, failure(op, id.String(), err)
	}
	return info, nil
}

func (s *Store) put(ctx context.Context, id cordon.TargetID, v *verify.Reader) (target.Info, error) {
	root, tmp, lock, err := s.startPut(id)
	if err != nil {
		return target.Info{}, err
	}
	defer root.Close()
	defer lock.Unlock()
	f := lock.File()
	fi, err := fill(f, v)
	if err == nil {
		err = root.Rename(tmp, objectName)
	}
	if err != nil {
		_ = root.Remove(tmp) // what stays behind is swept by the next Put under this id
		return target.Info{}, err
	}
	digest := v.Want().SHA256
	if digest != "" {
		if err := writeHint(root, digest, versionOf(fi)); err != nil {
			slog.WarnContext(ctx, "Target stored without its digest", "target_id", id.String(), "error", err)
			digest = ""
		}
	}
	if err := durable.SyncDir(root, "."); err != nil {
		return target.Info{}, err
	}
	fi, err = f.Stat() // the rename has changed the change time
	if err != nil {
		return target.Info{}, err
	}
	ver := versionOf(fi)
	return target.Info{ID: id, Size: ver.size, ETag: ver.etag(), SHA256: digest, Modified: fi.ModTime()}, nil
}

func writeHint(root *os.Root, digest string, v version) error {
	b, err := json.Marshal(hint{SHA256: digest, Size: v.size, MTime: v.mtime, Inode: v.inode})
	if err != nil {
		return err
	}
	return durable.WriteFile(root, hintName, b)
}

// startAttempts is how often startPut makes the directory anew that others
// remove under it. Each time costs the others a Remove of their own; whoever
// loses so often is not in a race but in front of something that is broken.
const startAttempts = 100

// startPut makes the directory of id and in it a locked file to upload into.
// What uploads of dead processes left there is removed.
func (s *Store) startPut(id cordon.TargetID) (*os.Root, string, *flock.Lock, error) {
	var err error
	for range startAttempts {
		if err = mkdirDurable(s.dirOf(id)); err != nil {
			break
		}
		var root *os.Root
		if root, err = os.OpenRoot(s.dirOf(id)); err == nil {
			sweepPuts(root)
			tmp := putPrefix + rand.Text()
			var lock *flock.Lock
			if lock, err = flock.Try(root, tmp, flock.Exclusive); lock != nil {
				return root, tmp, lock, nil
			}
			root.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			break
		}
		// A Remove, or a Put that failed, took the empty directory away, or
		// another Put's sweep had a look at the file before it was locked.
	}
	if err == nil {
		err = errors.New("other uploads under this id were always in the way")
	}
	return nil, "", nil, err
}

// fill writes what v yields to f, durably.
func fill(f *os.File, v *verify.Reader) (fs.FileInfo, error) {
	var to io.Writer = f
	if sent := v.Want().Sent; sent != nil {
		to = &counter{w: f, sent: sent}
	}
	w := bufio.NewWriterSize(to, putBuffer)
	_, err := io.Copy(struct{ io.Writer }{w}, v)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, err
	}
	return f.Stat()
}

// counter tells how many bytes have been written.
type counter struct {
	w    io.Writer
	n    int64
	sent func(bytes int64)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.sent(c.n)
	return n, err
}

// sweepPuts removes the uploads in root that nobody is writing any more: a
// living writer holds the lock on its file.
func sweepPuts(root *os.Root) {
	d, err := root.Open(".")
	if err != nil {
		return // the caller is about to fail on the same directory, or to remove it
	}
	names, _ := d.Readdirnames(-1) // a part of the names is good for a part of the sweep
	d.Close()
	for _, name := range names {
		if !strings.HasPrefix(name, putPrefix) {
			continue
		}
		if lock, err := flock.Try(root, name, flock.Exclusive); err == nil && lock != nil {
			_ = root.Remove(name) // the next Put tries again
			lock.Unlock()
		}
	}
}

// mkdirDurable makes dir and its parents; their names survive a power failure.
func mkdirDurable(dir string) error {
	if fi, err := os.Stat(dir); err == nil && fi.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := mkdirDurable(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	root, err := os.OpenRoot(parent)
	if err != nil {
		return err
	}
	defer root.Close()
	return durable.SyncDir(root, ".")
}
