package scratch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MaxInput is the size above which a file is no input of a fuzzer that we care for:
// engines mutate up to a megabyte, and encode it in up to four times that.
const MaxInput = 16 << 20

// maxNames bounds what is listed of a directory: some ten times the largest corpus known.
const maxNames = 1_000_000

// Folder is a directory of a workspace that is there already. It was opened beneath
// the workspace, and its files are found by names without a slash: what becomes of
// its path meanwhile leads nowhere else. It is safe for concurrent use.
type Folder struct {
	Path string // when it was opened, absolute
	root *os.Root
}

// Open opens a directory of the workspace: dir is an absolute path inside of it, or
// the workspace itself.
func Open(workspace, dir string) (*Folder, error) {
	rel, err := filepath.Rel(workspace, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, fmt.Errorf("%q is not inside of the workspace", dir)
	}
	top, err := os.OpenRoot(workspace)
	if err != nil {
		return nil, err
	}
	if rel == "." {
		return &Folder{dir, top}, nil
	}
	defer top.Close()
	root, err := top.OpenRoot(rel)
	if err != nil {
		return nil, err
	}
	return &Folder{dir, root}, nil
}

// Close lets go of the directory.
func (f *Folder) Close() error { return f.root.Close() }

// Sub opens the directory of that name, making it if it is not there.
func (f *Folder) Sub(name string) (*Folder, error) {
	if err := plain(name); err != nil {
		return nil, err
	}
	err := f.root.Mkdir(name, 0o755)
	if err == nil {
		// A confined process may have another user id than whoever made the directory for it.
		err = f.root.Chmod(name, 0o777)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	root, err := f.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &Folder{filepath.Join(f.Path, name), root}, nil
}

// RemoveAll removes what has that name, with all that is below it.
func (f *Folder) RemoveAll(name string) error {
	if err := plain(name); err != nil {
		return err
	}
	return f.root.RemoveAll(name)
}

// Names lists the regular files, sorted.
func (f *Folder) Names() ([]string, error) {
	dir, err := f.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(maxNames)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), temporary) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Read reads a regular file of at most limit bytes.
func (f *Folder) Read(name string, limit int64) ([]byte, error) {
	if err := plain(name); err != nil {
		return nil, err
	}
	return readIn(f.root, name, limit)
}

// Tail reads the last bytes of a regular file, at most limit of them.
func (f *Folder) Tail(name string, limit int64) ([]byte, error) {
	if err := plain(name); err != nil {
		return nil, err
	}
	file, size, err := openIn(f.root, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.NewSectionReader(file, max(0, size-limit), limit))
}

// Write makes a file, or replaces what has its name: whoever reads it sees all of it or
// nothing.
func (f *Folder) Write(name string, data []byte) error {
	if err := plain(name); err != nil {
		return err
	}
	return replaceIn(f.root, name, data)
}

// Has reports whether there is a regular file of that name.
func (f *Folder) Has(name string) bool {
	st, err := f.root.Lstat(name)
	return plain(name) == nil && err == nil && st.Mode().IsRegular()
}

func plain(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%q is not the name of a file", name)
	}
	return nil
}
