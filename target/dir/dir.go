// Package dir keeps targets, results and blobs in a directory, laid out as the buckets
// of an S3 store are (CONTRACT §5):
//
//	ROOT/targets/{target_id}/target            the object
//	ROOT/targets/{target_id}/.target.json      its stated SHA-256 (a hint)
//	ROOT/targets/{target_id}/.put-{random}     an upload on its way; locked while its writer lives
//	ROOT/results/{workflow_id}/results.json    a result; or results.sarif
//	ROOT/fuzzing/{key}                         a blob
//	ROOT/fuzzing/.put-{random}                 one on its way; locked while its writer lives
//
// An object that somebody puts there by hand is a target; a link to a regular
// file will do. Any number of processes may use one directory at a time.
package dir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

const (
	targetsDir = "targets"
	resultsDir = "results"
	blobsDir   = "fuzzing"
	objectName = "target"
	hintName   = ".target.json"
	putPrefix  = ".put-"
)

// Store is a directory store. It implements target.Store, target.Results and
// target.Blobs, and is safe for concurrent use.
type Store struct{ root string }

var (
	_ target.Store   = (*Store)(nil)
	_ target.Results = (*Store)(nil)
	_ target.Blobs   = (*Store)(nil)
)

// Open returns the store below root, which need not exist: the first Put or
// PutResult makes it. A root that is something other than a directory is an
// InvalidArgument error.
func Open(root string) (*Store, error) {
	bad := func(err error) error {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: "open directory store", Name: fmt.Sprintf("%q", root), Err: err, Fix: "name a directory for targets and results"}
	}
	if root == "" {
		return nil, bad(errors.New("no directory was given"))
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, bad(err)
	}
	if fi, err := os.Stat(abs); err == nil && !fi.IsDir() {
		return nil, bad(errors.New("it is not a directory"))
	}
	return &Store{root: abs}, nil
}

// Root returns the absolute path of the store's directory.
func (s *Store) Root() string { return s.root }

func (s *Store) dirOf(id cordon.TargetID) string {
	return filepath.Join(s.root, targetsDir, id.String())
}

// Stat implements target.Source.
func (s *Store) Stat(ctx context.Context, id cordon.TargetID) (target.Info, error) {
	const op = "stat target"
	if err := ctx.Err(); err != nil {
		return target.Info{}, failure(op, id.String(), err)
	}
	fi, err := statRegular(filepath.Join(s.dirOf(id), objectName))
	if err != nil {
		return target.Info{}, s.missing(op, id, err)
	}
	return s.info(id, fi), nil
}

// Open implements target.Source. The reader holds the object's file: an object
// that is replaced meanwhile by Put, or by a rename, is read to its end as it
// was. One that is written over in place fails at its end with an error for
// which target.IsReplaced is true.
func (s *Store) Open(ctx context.Context, id cordon.TargetID, etag string) (io.ReadCloser, target.Info, error) {
	const op = "open target"
	if err := ctx.Err(); err != nil {
		return nil, target.Info{}, failure(op, id.String(), err)
	}
	f, fi, err := openRegular(filepath.Join(s.dirOf(id), objectName))
	if err != nil {
		return nil, target.Info{}, s.missing(op, id, err)
	}
	info := s.info(id, fi)
	if etag != "" && etag != info.ETag {
		f.Close()
		return nil, target.Info{}, target.Replaced(id, etag)
	}
	return &reader{ctx: ctx, f: f, info: info, start: versionOf(fi)}, info, nil
}

// List implements target.Store. Names that are no target ids, and objects that
// are no regular files, are passed over with a warning.
func (s *Store) List(ctx context.Context) iter.Seq2[target.Info, error] {
	const op = "list targets"
	return func(yield func(target.Info, error) bool) {
		dir := filepath.Join(s.root, targetsDir)
		entries, err := os.ReadDir(dir) // sorted by name, which is the id
		if err != nil {
			yield(target.Info{}, s.missing(op, cordon.TargetID{}, err))
			return
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(target.Info{}, failure(op, dir, err))
				return
			}
			if e.Name()[0] == '.' {
				continue
			}
			id, err := cordon.ParseTargetID(e.Name())
			if err != nil {
				slog.WarnContext(ctx, "Directory passed over: its name is not a target id", "dir", dir, "name", e.Name(), "error", err)
				continue
			}
			fi, err := statRegular(filepath.Join(s.dirOf(id), objectName))
			switch {
			case isAbsent(err):
				continue // a plain file here, or a directory whose object is not there (yet)
			case errors.Is(err, errIrregular):
				slog.WarnContext(ctx, "Target passed over: its object is not a regular file", "target_id", id.String(), "error", err)
				continue
			case err != nil:
				yield(target.Info{}, failure(op, id.String(), err))
				return
			}
			if !yield(s.info(id, fi), nil) {
				return
			}
		}
	}
}

// Remove implements target.Store. Files that others put beside the object stay.
func (s *Store) Remove(ctx context.Context, id cordon.TargetID) error {
	const op = "remove target"
	if err := ctx.Err(); err != nil {
		return failure(op, id.String(), err)
	}
	dir := s.dirOf(id)
	if err := os.Remove(filepath.Join(dir, objectName)); err != nil {
		return s.missing(op, id, err)
	}
	_ = os.Remove(filepath.Join(dir, hintName)) // without its object the hint says nothing
	if root, err := os.OpenRoot(dir); err == nil {
		sweepPuts(root)
		root.Close()
	}
	_ = os.Remove(dir) // fails, as it should, when something else is in there
	return nil
}

// info describes the object that fi is of.
func (s *Store) info(id cordon.TargetID, fi fs.FileInfo) target.Info {
	v := versionOf(fi)
	info := target.Info{ID: id, Size: fi.Size(), ETag: v.etag(), Modified: fi.ModTime()}
	if h, ok := readHint(filepath.Join(s.dirOf(id), hintName)); ok && h.describes(v) {
		info.SHA256 = h.SHA256
	}
	return info
}

// hint is what .target.json holds: the digest that the uploader stated, and
// which file it is about. A hint about another file than the one that is there
// is not a hint.
type hint struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	MTime  int64  `json:"mtime_ns"`
	Inode  uint64 `json:"inode"`
}

func (h hint) describes(v version) bool {
	return h.Size == v.size && h.MTime == v.mtime && h.Inode == v.inode
}

// maxHint is the most that is read of a hint, in bytes; ours have about 150.
const maxHint = 4096

func readHint(path string) (h hint, ok bool) {
	f, _, err := openRegular(path)
	if err != nil {
		return hint{}, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxHint))
	return h, err == nil && json.Unmarshal(b, &h) == nil
}
