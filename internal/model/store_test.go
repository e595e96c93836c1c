package model_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/internal/rmtree"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// tree is what a workspace holds: content by path; "dir" for directories, "-> x"
// for links. The only path of a file that is no archive is "".
type tree map[string]string

// content is what an object may be, and what its entries take of the disk. That
// is no prediction: it is what they took in a cache of their own, and what they
// must take in every other.
type content struct {
	name   string
	object []byte
	tree   tree

	own, fetched, base size // of an isolated run, a shared tree, a base
	view               size // of a copy-on-write run
	cut, back          size // a shared tree made of a base; a base made of a shared tree
	plain              size // a read-only tree of a run's own, made of a base
}

// size is what Entries says of an entry.
type size struct{ bytes, object, inodes int64 }

func (s size) total() int64 { return s.bytes + s.object }

func (c *content) isFile() bool { _, ok := c.tree[""]; return ok }

// contents are small, for a step to take a millisecond, and of sizes that do not
// divide each other, for limits to be met in many ways.
func newContents() []*content {
	return []*content{
		file("small file", 3000),
		file("file", 45_000),
		file("large file", 170_000),
		archive("small project", tree{"main.py": "import os\n", "pkg": "dir", "pkg/run.sh": "#!/bin/sh\n", "pkg/link": "-> run.sh"}),
		archive("project", tree{"main.py": "import sys\n", "data": noise(2, 60_000), "d": "dir", "d/e": "dir", "d/e/f": "deep"}),
		archive("project that packs well", tree{"main.py": "", "zeros": strings.Repeat("\x00", 150_000)}),
	}
}

func file(name string, n int) *content {
	b := noise(byte(n), n)
	return &content{name: name, object: []byte(b), tree: tree{"": b}}
}

func archive(name string, t tree) *content {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, p := range slices.Sorted(maps.Keys(t)) {
		h := &tar.Header{Name: p, Mode: 0o644, ModTime: time.Unix(1_700_000_000, 0), Typeflag: tar.TypeReg, Size: int64(len(t[p]))}
		switch body := t[p]; {
		case body == "dir":
			h.Typeflag, h.Mode, h.Size = tar.TypeDir, 0o755, 0
		case strings.HasPrefix(body, "-> "):
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, body[3:], 0
		}
		if err := tw.WriteHeader(h); err != nil {
			panic(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(tw, t[p]); err != nil {
				panic(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		panic(err)
	}
	return &content{name: name, object: buf.Bytes(), tree: t}
}

// noise is content that looks like no archive.
func noise(seed byte, n int) string {
	b := make([]byte, n)
	x := uint64(seed) + 88172645463325252
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return string(b)
}

// measure learns what c's entries take, by the driver that setting names.
func (c *content) measure(t rapid.TB, setting string) {
	t.Helper()
	replace := false // the object between the Gets
	look := func(modes ...cordon.Mode) map[workspace.Kind]size {
		top := scratch(t)
		defer clear(t, top)
		s := openStore(t, top)
		s.put(t, "T", c)
		cache := openCache(t, workspace.Options{Dir: top + "/cache", Store: s, FillDisk: true, CowDriver: mustDriver(t, setting)})
		defer cache.Close()
		for i, m := range modes {
			_, err := cache.Get(context.Background(), request("T", fmt.Sprint("R", i), m))
			must(t, err)
			if replace {
				s.put(t, "T", c)
			}
		}
		all, err := cache.Entries()
		must(t, err)
		found := map[workspace.Kind]size{}
		for _, e := range all {
			found[e.Kind] = size{e.Bytes - e.Object, e.Object, e.Inodes}
		}
		return found
	}
	c.own = look(cordon.Isolated)[workspace.KindRun]
	c.fetched = look(cordon.Shared)[workspace.KindShared]
	all := look(cordon.CopyOnWrite, cordon.Shared)
	c.base, c.view, c.cut = all[workspace.KindBase], all[workspace.KindRun], all[workspace.KindShared]
	c.back = look(cordon.Shared, cordon.CopyOnWrite)[workspace.KindBase]
	replace = true
	c.plain = look(cordon.Shared, cordon.Shared)[workspace.KindRun]
}

// manifest is what writing down a tree takes.
func (c *content) manifest() int64 {
	if c.isFile() {
		return 0
	}
	return 4096 // they are small
}

// spy is a store that counts what is read of it, and can be out of reach.
type spy struct {
	*dir.Store
	top   string
	opens atomic.Int64
	down  atomic.Bool
}

var errDown = &cordon.Error{Kind: cordon.StorageUnavailable, Op: "reach store", Err: io.ErrUnexpectedEOF}

func openStore(t rapid.TB, top string) *spy {
	t.Helper()
	s, err := dir.Open(filepath.Join(top, "store"))
	must(t, err)
	return &spy{Store: s, top: top}
}

func (s *spy) Stat(ctx context.Context, id cordon.TargetID) (target.Info, error) {
	if s.down.Load() {
		return target.Info{}, errDown
	}
	return s.Store.Stat(ctx, id)
}

func (s *spy) Open(ctx context.Context, id cordon.TargetID, etag string) (io.ReadCloser, target.Info, error) {
	s.opens.Add(1)
	if s.down.Load() {
		return nil, target.Info{}, errDown
	}
	return s.Store.Open(ctx, id, etag)
}

// put stores c under id, as somebody would by hand, and returns its ETag.
func (s *spy) put(t rapid.TB, id string, c *content) string {
	t.Helper()
	name := filepath.Join(s.top, "store/targets", id, "target")
	must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	must(t, os.WriteFile(name+".new", c.object, 0o644))
	must(t, os.Rename(name+".new", name))
	info, err := s.Store.Stat(context.Background(), targetID(id))
	must(t, err)
	return info.ETag
}

// scratch is a directory in memory where there is one, for speed: nothing here
// is about the disk.
func scratch(t rapid.TB) string {
	t.Helper()
	const memory = "/dev/shm"
	top, err := os.MkdirTemp(memory, "cordon-model-")
	if err != nil {
		top, err = os.MkdirTemp("", "cordon-model-")
	}
	must(t, err)
	return top
}

// clear removes what scratch made, whatever modes and mounts are in it.
func clear(t rapid.TB, top string) {
	t.Helper()
	for err := error(mounts.ErrBusy); errors.Is(err, mounts.ErrBusy); { // a process that is being started has every descriptor of this one
		if err = mounts.UnmountBelow(top); err != nil && !errors.Is(err, mounts.ErrBusy) {
			t.Fatal(err)
		}
	}
	parent, err := os.Open(filepath.Dir(top))
	must(t, err)
	defer parent.Close()
	must(t, rmtree.Remove(context.Background(), parent, filepath.Base(top)))
}

func openCache(t rapid.TB, o workspace.Options) *workspace.Cache {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	c, err := workspace.Open(o)
	must(t, err)
	return c
}

func mustDriver(t rapid.TB, s string) driver.Setting {
	t.Helper()
	set, err := driver.ParseSetting(s)
	must(t, err)
	return set
}

func targetID(id string) cordon.TargetID {
	t, err := cordon.ParseTargetID(id)
	if err != nil {
		panic(err)
	}
	return t
}

func request(id, run string, mode cordon.Mode) workspace.Request {
	r, err := cordon.ParseRunID(run)
	if err != nil {
		panic(err)
	}
	return workspace.Request{Target: targetID(id), Run: r, Mode: mode}
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// readTree reads what a workspace holds.
func readTree(root string) (tree, error) {
	t := tree{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
		switch {
		case d.IsDir() && rel == "":
		case d.IsDir():
			t[rel] = "dir"
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(p)
			t[rel] = "-> " + to
			return err
		default:
			b, err := os.ReadFile(p)
			t[rel] = string(b)
			return err
		}
		return nil
	})
	return t, err
}
