// Package source finds harnesses in a project by reading it.
package source

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/fuzz"
)

// MaxFile is the most that is read of a file, in bytes: no source that people write
// is larger.
const MaxFile = 1 << 20

// File is a source file.
type File struct {
	Path string // relative to the project, with slashes
	Text []byte
}

// passed are directories in which nothing is a project's own source.
var passed = []string{"node_modules", "__pycache__", "site-packages", "CMakeFiles"}

// Each reads the files whose names end in one of exts (with the dot), in the order
// of their paths. Links are not followed; hidden directories and those of package
// managers are left out, and so are files above MaxFile.
func Each(ctx context.Context, dir string, exts []string, do func(File)) error {
	tree, err := analyze.OpenTree(dir)
	if err != nil {
		return err
	}
	defer tree.Close()
	list, err := tree.List(ctx)
	if err != nil {
		return err
	}
	for _, f := range list.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.Size > MaxFile || !slices.Contains(exts, path.Ext(f.Path)) || outside(f.Path) {
			continue
		}
		text, err := tree.ReadFile(f.Path, MaxFile)
		if err != nil {
			continue // gone, or not for us to read: no harness that could be built
		}
		do(File{f.Path, text})
	}
	return nil
}

func outside(p string) bool {
	dirs := strings.Split(path.Dir(p), "/")
	return slices.ContainsFunc(dirs, func(d string) bool {
		return len(d) > 1 && d[0] == '.' || slices.Contains(passed, d)
	})
}

// Line is the number of the line, from 1, that the byte at offset is in.
func Line(text []byte, offset int) int {
	n := 1
	for _, c := range text[:offset] {
		if c == '\n' {
			n++
		}
	}
	return n
}

// Name gives the harnesses names, from their files, and sorts them: the file's name
// without its extension where that is one of a kind, else with as much of its path as
// makes it so.
func Name(hs []fuzz.Harness) []fuzz.Harness {
	slices.SortFunc(hs, func(a, b fuzz.Harness) int { return strings.Compare(a.File, b.File) })
	for _, name := range []func(string) string{
		func(f string) string { return strings.TrimSuffix(path.Base(f), path.Ext(f)) },
		func(f string) string { return strings.ReplaceAll(strings.TrimSuffix(f, path.Ext(f)), "/", "-") },
		func(f string) string { return strings.ReplaceAll(f, "/", "-") },
	} {
		count := map[string]int{}
		for _, h := range hs {
			count[h.Name]++
		}
		for i := range hs {
			if hs[i].Name == "" || count[hs[i].Name] > 1 {
				hs[i].Name = name(hs[i].File)
			}
		}
	}
	// "a/b-c.c" and "a-b/c.c" are left.
	seen := map[string]bool{}
	for i := range hs {
		for n := 2; seen[hs[i].Name]; n++ {
			hs[i].Name = fmt.Sprintf("%s-%d", strings.ReplaceAll(hs[i].File, "/", "-"), n)
		}
		seen[hs[i].Name] = true
	}
	slices.SortFunc(hs, func(a, b fuzz.Harness) int { return strings.Compare(a.Name, b.Name) })
	return hs
}

// Plain makes of a name one of plain characters, for a file: not one of a kind.
func Plain(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
}
