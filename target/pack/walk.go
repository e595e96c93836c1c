package pack

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// visitor is shown what a walk finds.
type visitor interface {
	// entry is shown every folder, regular file and symbolic link that is
	// packed, a folder before what is in it. root is the folder that holds it.
	entry(root *os.Root, path string, fi fs.FileInfo) error
	// omit is shown what is not packed: reason is "" where an IgnoreFile says so.
	omit(path, reason string)
}

// walk shows v the tree at base, without base itself, in an order that depends
// on the names alone. It follows no link: each folder is opened by its name in
// the folder above, so a tree of any depth can be walked, and a link that takes
// a folder's place meanwhile is noticed.
func walk(ctx context.Context, base string, v visitor) error {
	root, err := os.OpenRoot(base)
	if err != nil {
		return unreadable("read", base, err)
	}
	defer root.Close()
	return walkFolder(ctx, base, root, "", nil, v)
}

func walkFolder(ctx context.Context, base string, root *os.Root, dir string, sets []ruleset, v visitor) error {
	rs, ok, err := readIgnore(root, dir)
	if err != nil {
		return unreadable("read", filepath.Join(base, dir, IgnoreFile), err)
	}
	if ok {
		sets = append(slices.Clip(sets), rs)
	}
	names, err := namesIn(root)
	if err != nil {
		return unreadable("read folder", filepath.Join(base, dir), err)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := join(dir, name)
		fi, err := root.Lstat(name)
		if err != nil {
			return unreadable("read", filepath.Join(base, path), err)
		}
		if ignored(sets, path, fi.IsDir()) {
			v.omit(path, "")
			continue
		}
		if t := fi.Mode().Type(); t != 0 && t != fs.ModeDir && t != fs.ModeSymlink {
			v.omit(path, special(fi.Mode()))
			continue
		}
		if err := v.entry(root, path, fi); err != nil {
			return unreadable("read", filepath.Join(base, path), err)
		}
		if fi.IsDir() {
			if err := descend(ctx, base, root, path, fi, sets, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func descend(ctx context.Context, base string, parent *os.Root, path string, seen fs.FileInfo, sets []ruleset, v visitor) error {
	root, err := parent.OpenRoot(seen.Name())
	if err != nil {
		return unreadable("read folder", filepath.Join(base, path), err)
	}
	defer root.Close()
	fi, err := root.Stat(".")
	if err == nil && !os.SameFile(fi, seen) {
		err = errChanging
	}
	if err != nil {
		return unreadable("read folder", filepath.Join(base, path), err)
	}
	return walkFolder(ctx, base, root, path, sets, v)
}

// namesIn returns what is in a folder, in the order of the names' bytes.
func namesIn(root *os.Root) ([]string, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// join joins slash-separated relative paths; dir may be "".
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
