package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

// checkWorkspace refuses a path that cannot be a workspace which this cache
// handed out (CONTRACT §1.2): one that lies elsewhere, in the cache's own state,
// or that leads through a symbolic link. Tools read what a workflow names, and a
// workflow must not make them read the host. A workspace that is not on this host is
// brought here first, if it can be.
func (a *Activities) checkWorkspace(ctx context.Context, u use) error {
	op, path := u.op, u.path
	wrong := func(what string) error {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: op, Name: fmt.Sprintf("%.200q", path), Err: errors.New(what),
			Fix: "give the path that get_target returned to this run"}
	}
	dir := a.cache.Dir()
	rel, err := filepath.Rel(dir, path)
	switch {
	case path == "":
		return wrong("the argument path is missing")
	case err != nil || !filepath.IsAbs(path) || filepath.Clean(path) != path || !filepath.IsLocal(rel):
		return wrong("is not a path below the cache directory " + dir)
	case !strings.Contains(rel, "/") || strings.HasPrefix(rel, "."):
		return wrong("is not a workspace")
	}
	if err := a.settle(ctx, u); err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		// It was given to another run than the caller's: where it is, a later attempt may find out.
		return &cordon.Error{Kind: cordon.StorageUnavailable, Op: op, Name: path, Err: errors.New("the workspace is not on this host"),
			Fix: "run the step on the host that made the workspace, or call get_target again"}
	}
	if err != nil {
		return &cordon.Error{Op: op, Name: path, Err: err}
	}
	realDir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return &cordon.Error{Op: op, Name: path, Err: err}
	}
	if real != filepath.Join(realDir, rel) {
		return wrong("leads through a symbolic link")
	}
	return nil
}

// openWorkspace returns the directory that an analyser is to read. It is path
// itself where that is a directory; a target that is a single file is copied
// into a directory of its own, for beside it lie other runs' workspaces.
func (a *Activities) openWorkspace(ctx context.Context, u use) (dir string, done func(), err error) {
	op, path := u.op, u.path
	if err := a.checkWorkspace(ctx, u); err != nil {
		return "", nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", nil, &cordon.Error{Op: op, Name: path, Err: err}
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return "", nil, &cordon.Error{Op: op, Name: path, Err: err}
	case st.IsDir():
		return path, func() {}, nil
	case !st.Mode().IsRegular():
		return "", nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: op, Name: path, Err: errors.New("is neither a directory nor a regular file"),
			Fix: "give the path that get_target returned to this run"}
	case st.Size() > maxSingleFile:
		return "", nil, &cordon.Error{Kind: cordon.TargetTooLarge, Op: op, Name: path,
			Err: fmt.Errorf("a single file of %s is not analysed; at most %s are", cordon.FormatBytes(st.Size()), cordon.FormatBytes(maxSingleFile)),
			Fix: "upload the folder or an archive of it"}
	}
	dir, err = os.MkdirTemp("", "cordon-file-")
	if err != nil {
		return "", nil, &cordon.Error{Op: op, Name: path, Err: err}
	}
	// What cannot be removed lies in the system's temporary directory, which is
	// tidied by the system.
	done = func() { _ = os.RemoveAll(dir) }
	if err := copyTo(filepath.Join(dir, filepath.Base(path)), f); err != nil {
		done()
		return "", nil, &cordon.Error{Op: op, Name: path, Err: err}
	}
	return dir, done, nil
}

// maxSingleFile is the largest single file that is copied for the analysers, in
// bytes. They skip source files far smaller than this.
const maxSingleFile = 256 * cordon.MiB

func copyTo(name string, r io.Reader) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
