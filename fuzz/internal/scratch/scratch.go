// Package scratch keeps directories for engines inside of a workspace.
//
// The workspace belongs to hostile code, which may put a link where a directory
// was. So everything here goes through an os.Root of the workspace, which follows
// no link out of it, and nothing is opened that is no regular file.
package scratch

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is a directory in a workspace.
type Dir struct {
	root *os.Root // the workspace
	rel  string   // of the directory
	path string
}

// Make makes a directory below out, which lies in the workspace. Its name begins
// with prefix and has plain characters only. Whoever the workspace's processes run
// as may write to it.
func Make(workspace, out, prefix string) (*Dir, error) {
	return Keep(workspace, out, prefix+strings.ToLower(rand.Text()[:10]))
}

// Keep is Make for a directory of a certain name, which may be there already.
func Keep(workspace, out, name string) (*Dir, error) {
	rel, err := filepath.Rel(workspace, out)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(workspace)
	if err != nil {
		return nil, err
	}
	d := &Dir{root: root, rel: filepath.Join(rel, name)}
	d.path = filepath.Join(workspace, d.rel)
	if err := d.mkdir(d.rel); err != nil {
		root.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dir) mkdir(rel string) error {
	if err := d.root.MkdirAll(rel, 0o755); err != nil {
		return err
	}
	return d.root.Chmod(rel, 0o777)
}

// Path is absolute.
func (d *Dir) Path() string { return d.path }

// Sub makes a directory in d and returns its absolute path.
func (d *Dir) Sub(name string) (string, error) {
	return filepath.Join(d.path, name), d.mkdir(filepath.Join(d.rel, name))
}

// Link makes a symbolic link in d to a file or directory of the workspace.
func (d *Dir) Link(name, to string) error {
	target, err := filepath.Rel(filepath.Dir(filepath.Join(d.path, name)), to)
	if err != nil {
		return err
	}
	return d.root.Symlink(target, filepath.Join(d.rel, name))
}

// Write writes a file in d, which must not be there yet, and returns its absolute path.
func (d *Dir) Write(name string, data []byte, perm fs.FileMode) (string, error) {
	rel := filepath.Join(d.rel, name)
	f, err := d.root.OpenFile(rel, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(perm)
	}
	return filepath.Join(d.path, name), errors.Join(err, f.Close())
}

// Remove removes d. What cannot be removed stays until the workspace goes.
func (d *Dir) Remove() {
	_ = d.root.RemoveAll(d.rel) // see above
	d.root.Close()
}

// Close keeps the directory and releases what Make has opened.
func (d *Dir) Close() error { return d.root.Close() }

// Read reads a regular file of a workspace, of at most limit bytes.
func Read(workspace, file string, limit int64) ([]byte, error) {
	root, rel, err := open(workspace, file)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return readIn(root, rel, limit)
}

func readIn(root *os.Root, rel string, limit int64) ([]byte, error) {
	f, _, err := openIn(root, rel)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", filepath.Base(rel), limit)
	}
	return data, nil
}

// openIn opens a regular file and says how large it is.
func openIn(root *os.Root, rel string) (*os.File, int64, error) {
	f, err := root.OpenFile(rel, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", filepath.Base(rel))
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// Replace writes a file of a workspace, in place of what has its name.
func Replace(workspace, file string, data []byte) error {
	root, rel, err := open(workspace, file)
	if err != nil {
		return err
	}
	defer root.Close()
	return replaceIn(root, rel, data)
}

// temporary is what the names of files begin with that are being written: nobody
// takes them for inputs.
const temporary = ".cordon-"

func replaceIn(root *os.Root, rel string, data []byte) error {
	temp := filepath.Join(filepath.Dir(rel), temporary+rand.Text())
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(temp, rel)
	}
	if err != nil {
		_ = root.Remove(temp) // the error above says what matters
	}
	return err
}

// IsFile reports whether a file of a workspace is a regular one, and no link.
func IsFile(workspace, file string) bool {
	root, rel, err := open(workspace, file)
	if err != nil {
		return false
	}
	defer root.Close()
	st, err := root.Lstat(rel)
	return err == nil && st.Mode().IsRegular()
}

// open opens the workspace and says where the file is in it.
func open(workspace, file string) (*os.Root, string, error) {
	rel, err := filepath.Rel(workspace, file)
	if err != nil {
		return nil, "", err
	}
	root, err := os.OpenRoot(workspace)
	return root, rel, err
}
