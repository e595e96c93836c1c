package faults_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree is what a directory holds: content by path; "dir" for directories, "-> x"
// for links.
type tree map[string]string

// small has one of each kind, and is made in few steps.
var small = tree{
	"main.c":       "int main;",
	"src":          "dir",
	"src/lib.c":    strings.Repeat("lib\n", 5000),
	"src/build.sh": "#!/bin/sh\n",
	"link":         "-> main.c",
}

func (t tree) with(name, content string) tree {
	c := maps.Clone(t)
	c[name] = content
	return c
}

func (t tree) tarball(tb testing.TB) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(t)) {
		h := &tar.Header{Name: name, Mode: 0o644, ModTime: time.Unix(1_700_000_000, 0), Typeflag: tar.TypeReg, Size: int64(len(t[name]))}
		content := t[name]
		if content == "dir" {
			h.Typeflag, h.Size, h.Mode, content = tar.TypeDir, 0, 0o755, ""
		} else if to, ok := strings.CutPrefix(content, "-> "); ok {
			h.Typeflag, h.Size, h.Linkname, content = tar.TypeSymlink, 0, to, ""
		}
		must(tb, w.WriteHeader(h))
		_, err := io.WriteString(w, content)
		must(tb, err)
	}
	must(tb, w.Close())
	return buf.Bytes()
}

// differs says where the directory is not as want, or "". A file stands for a
// tree with one content, under the name "".
func (want tree) differs(dir string) string {
	got := tree{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(p, dir), "/")
		switch {
		case d.IsDir():
			if rel != "" {
				got[rel] = "dir"
			}
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(p)
			got[rel] = "-> " + to
			return err
		default:
			b, err := os.ReadFile(p)
			got[rel] = string(b)
			return err
		}
		return nil
	})
	if err != nil {
		return err.Error()
	}
	names := slices.Sorted(maps.Keys(want))
	for n := range got {
		if _, ok := want[n]; !ok {
			names = append(names, n)
		}
	}
	for _, n := range names {
		w, wanted := want[n]
		g, there := got[n]
		if w != g || wanted != there {
			return fmt.Sprintf("%s: %q is %d bytes (there: %t), want %d (wanted: %t)", dir, n, len(g), there, len(w), wanted)
		}
	}
	return ""
}

// random returns content that does not compress.
func random(seed uint64, n int) string {
	b := make([]byte, n)
	x := seed + 88172645463325252
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return string(b)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
