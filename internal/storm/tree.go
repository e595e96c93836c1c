package storm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tree is what a workspace holds, by path. A target that is no archive is a tree
// with one file, the path of which is empty.
type tree map[string]node

type node struct {
	kind fs.FileMode // type bits: 0, fs.ModeDir or fs.ModeSymlink
	data string      // of a file; where a link leads to
}

func file(data string) node { return node{0, data} }
func folder() node          { return node{fs.ModeDir, ""} }
func link(to string) node   { return node{fs.ModeSymlink, to} }

// pack makes an archive of t; a single file is packed as it is.
func (t tree) pack(compress bool) []byte {
	if f, ok := t[""]; ok {
		return []byte(f.data)
	}
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(t)) {
		n := t[name]
		h := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg, ModTime: time.Unix(1_700_000_000, 0), Format: tar.FormatPAX}
		switch n.kind {
		case fs.ModeDir:
			h.Typeflag, h.Name, h.Mode = tar.TypeDir, name+"/", 0o755
		case fs.ModeSymlink:
			h.Typeflag, h.Linkname = tar.TypeSymlink, n.data
		default:
			h.Size = int64(len(n.data))
		}
		if err := tw.WriteHeader(h); err != nil {
			panic(err) // into memory, and our own names
		}
		if n.kind == 0 {
			_, _ = tw.Write([]byte(n.data)) // into memory
		}
	}
	_ = tw.Close() // likewise
	if !compress {
		return buf.Bytes()
	}
	var small bytes.Buffer
	zw := gzip.NewWriter(&small)
	_, _ = zw.Write(buf.Bytes()) // likewise
	_ = zw.Close()               // likewise
	return small.Bytes()
}

// below returns the names in t that are name or below it.
func (t tree) below(name string) (names []string) {
	for n := range t {
		if within(n, name) {
			names = append(names, n)
		}
	}
	return names
}

func within(name, top string) bool { return name == top || strings.HasPrefix(name, top+"/") }

// compare says what of the tree at path is not as in want, or "". Names in wild,
// and below them, may be anything. It returns the bytes that it has compared.
func compare(path string, want tree, wild map[string]bool) (n int64, why string) {
	free := func(name string) bool {
		for w := range wild {
			if within(name, w) {
				return true
			}
		}
		return false
	}
	seen := map[string]bool{}
	var wrong []string
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(strings.TrimPrefix(p, path), "/")
		if name != "" && free(name) {
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if err != nil {
			return err
		}
		if name == "" && d.IsDir() {
			if _, ok := want[""]; ok {
				wrong = append(wrong, "it is a directory, and should be a file")
			}
			return nil
		}
		w, ok := want[name]
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%q should not be there (%s)", name, glimpse(p)))
			return nil
		}
		seen[name] = true
		got := node{kind: d.Type()}
		switch got.kind {
		case 0:
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			n += int64(len(b))
			got.data = string(b)
		case fs.ModeSymlink:
			if got.data, err = os.Readlink(p); err != nil {
				return err
			}
		}
		if got != w {
			wrong = append(wrong, fmt.Sprintf("%q is %s, and should be %s", name, got, w))
		}
		return nil
	})
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	for name := range want {
		if !seen[name] && !free(name) {
			wrong = append(wrong, fmt.Sprintf("%q is missing", name))
		}
	}
	if len(wrong) > 5 {
		wrong = append(wrong[:5], fmt.Sprintf("and %d more", len(wrong)-5))
	}
	return n, strings.Join(wrong, "; ")
}

func (n node) String() string {
	switch n.kind {
	case fs.ModeDir:
		return "a directory"
	case fs.ModeSymlink:
		return fmt.Sprintf("a link to %q", n.data)
	}
	return fmt.Sprintf("a file of %d bytes that begins with %.40q", len(n.data), n.data)
}

func glimpse(p string) string {
	b, err := os.ReadFile(p)
	if err != nil {
		return "no file that can be read"
	}
	return file(string(b)).String()
}

// allocated adds up what is allocated at path and below, without what seen has
// already, and without what skip says no to.
func allocated(path string, seen map[uint64]bool, skip func(p string) bool) (sum int64, err error) {
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if d != nil && skip(p) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if os.IsNotExist(err) || os.IsPermission(err) {
			return nil // the trial of a driver may have closed a directory
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if ino, bytes := allocation(info); !seen[ino] {
			seen[ino] = true
			sum += bytes
		}
		return nil
	})
	return sum, err
}
