package workspace_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

// bench is a store and a cache in temporary directories.
type bench struct {
	t     *testing.T
	top   string
	store *spy
	cache *workspace.Cache
	log   *lines
	opts  workspace.Options
	clock atomic.Int64 // nanoseconds that the cache's clock is ahead
}

func newBench(t *testing.T, change ...func(*workspace.Options)) *bench {
	t.Helper()
	b := &bench{t: t, top: t.TempDir(), log: &lines{}}
	s, err := dir.Open(filepath.Join(b.top, "store"))
	if err != nil {
		t.Fatal(err)
	}
	b.store = &spy{Source: s}
	b.opts = workspace.Options{
		Dir: filepath.Join(b.top, "cache"), Store: b.store,
		Logger: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:    func() time.Time { return time.Now().Add(time.Duration(b.clock.Load())) },
	}
	for _, f := range change {
		f(&b.opts)
	}
	// Mounts of runs that a test does not clean up would keep the directory from
	// being removed.
	t.Cleanup(func() { mountstest.UnmountBelow(t, b.opts.Dir) })
	b.cache = b.open()
	return b
}

// mounts returns what is mounted in the cache.
func (b *bench) mounts() (points []string) {
	b.t.Helper()
	all, err := mounts.Below(b.opts.Dir)
	must(b.t, err)
	for _, m := range all {
		points = append(points, b.rel(m.Point))
	}
	return points
}

// mayMount reports whether the test may mount, and says so if not.
func mayMount(t *testing.T) bool {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/x", 0o755))
	root, err := os.OpenRoot(dir)
	must(t, err)
	defer root.Close()
	if err := mounts.BindReadOnly(root, "x"); err != nil {
		t.Logf("this part needs the right to mount: %v", err)
		return false
	}
	must(t, mounts.Unmount(root, "x"))
	return true
}

// needMounts skips the test where it may not mount.
func needMounts(t *testing.T) {
	t.Helper()
	if !mayMount(t) {
		t.Skip("needs the right to mount")
	}
}

// needRoot skips the test where modes would do what it is about to look at.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, whom modes do not keep from changing what is read-only")
	}
}

// longAgo is a time that nothing in a test has by itself.
var longAgo = time.Unix(1_000_000_000, 0)

// open opens the cache once more, as another process would.
func (b *bench) open() *workspace.Cache {
	b.t.Helper()
	c, err := workspace.Open(b.opts)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

func (b *bench) pass(d time.Duration) { b.clock.Add(int64(d)) }

// put stores content under id, as somebody would by hand.
func (b *bench) put(id string, content []byte) {
	b.t.Helper()
	file := filepath.Join(b.top, "store/targets", id, "target")
	must(b.t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(b.t, os.WriteFile(file+".new", content, 0o644))
	must(b.t, os.Rename(file+".new", file))
}

func (b *bench) get(id, run string, mode cordon.Mode) workspace.Workspace {
	b.t.Helper()
	ws, err := b.cache.Get(b.t.Context(), request(id, run, mode))
	if err != nil {
		b.t.Fatalf("get %s for %s, %s: %v", id, run, mode, err)
	}
	return ws
}

func (b *bench) getErr(id, run string, mode cordon.Mode) error {
	b.t.Helper()
	ws, err := b.cache.Get(b.t.Context(), request(id, run, mode))
	if err == nil {
		b.t.Fatalf("get %s for %s, %s = %s, want an error", id, run, mode, ws.Path)
	}
	return err
}

func (b *bench) cleanup(path, run string) workspace.Cleaned {
	b.t.Helper()
	done, err := b.cache.Cleanup(b.t.Context(), path, workspace.Caller{Run: run})
	if err != nil {
		b.t.Fatal(err)
	}
	return done
}

func (b *bench) sweep() workspace.SweepReport {
	b.t.Helper()
	rep, err := b.cache.Sweep(b.t.Context(), workspace.SweepOptions{Restore: true})
	if err != nil {
		b.t.Fatal(err)
	}
	return rep
}

func (b *bench) entries() map[string]workspace.Entry {
	b.t.Helper()
	all, err := b.cache.Entries()
	if err != nil {
		b.t.Fatal(err)
	}
	m := map[string]workspace.Entry{}
	for _, e := range all {
		m[b.rel(e.Path)] = e
	}
	return m
}

func (b *bench) rel(path string) string {
	rel, err := filepath.Rel(b.opts.Dir, path)
	if err != nil {
		b.t.Fatal(err)
	}
	return rel
}

func (b *bench) path(name string) string { return filepath.Join(b.opts.Dir, name) }

// mustBeTidy fails if anything is under way, half made or waiting in the trash.
func (b *bench) mustBeTidy() {
	b.t.Helper()
	for _, d := range []string{"staging", "reservations", "trash", "tombstones"} {
		deadline := time.Now().Add(5 * time.Second) // deletions go on behind the caller's back
		for {
			left, err := os.ReadDir(b.path(".cordon/" + d))
			if err != nil {
				b.t.Fatal(err)
			}
			if len(left) == 0 {
				break
			}
			if time.Now().After(deadline) {
				b.t.Errorf(".cordon/%s still holds %v\n%s", d, left, *b.log.buf.Load())
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func request(id, run string, mode cordon.Mode) workspace.Request {
	t, err := cordon.ParseTargetID(id)
	if err != nil {
		panic(err)
	}
	r, err := cordon.ParseRunID(run)
	if err != nil {
		panic(err)
	}
	return workspace.Request{Target: t, Run: r, Mode: mode}
}

// spy counts reads and can hold them up or fail them.
type spy struct {
	target.Source
	opens atomic.Int64
	down  atomic.Bool
	sums  sync.Map                      // SHA-256 digests that uploaders state, by target
	gate  atomic.Pointer[chan struct{}] // reads wait until it is closed
}

var errDown = &cordon.Error{Kind: cordon.StorageUnavailable, Op: "reach store", Err: io.ErrUnexpectedEOF}

func (s *spy) Stat(ctx context.Context, id cordon.TargetID) (target.Info, error) {
	if s.down.Load() {
		return target.Info{}, errDown
	}
	info, err := s.Source.Stat(ctx, id)
	return s.stated(info), err
}

func (s *spy) Open(ctx context.Context, id cordon.TargetID, etag string) (io.ReadCloser, target.Info, error) {
	s.opens.Add(1)
	if s.down.Load() {
		return nil, target.Info{}, errDown
	}
	r, info, err := s.Source.Open(ctx, id, etag)
	info = s.stated(info)
	if gate := s.gate.Load(); gate != nil && err == nil {
		r = &gated{ReadCloser: r, gate: *gate, closed: make(chan struct{})}
	}
	return r, info, err
}

// stated adds to info what the target's uploader states.
func (s *spy) stated(info target.Info) target.Info {
	if sum, ok := s.sums.Load(info.ID.String()); ok {
		info.SHA256 = sum.(string)
	}
	return info
}

func sha256Of(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (s *spy) block() (open func()) {
	gate := make(chan struct{})
	s.gate.Store(&gate)
	return func() { s.gate.Store(nil); close(gate) }
}

type gated struct {
	io.ReadCloser
	gate   chan struct{}
	closed chan struct{}
	once   atomic.Bool
}

func (g *gated) Read(p []byte) (int, error) {
	select {
	case <-g.gate:
		return g.ReadCloser.Read(p)
	case <-g.closed:
		return 0, fs.ErrClosed
	}
}

func (g *gated) Close() error {
	if g.once.CompareAndSwap(false, true) {
		close(g.closed)
	}
	return g.ReadCloser.Close()
}

// lines collects log output.
type lines struct {
	buf atomic.Pointer[string]
}

func (l *lines) Write(p []byte) (int, error) {
	for {
		old := l.buf.Load()
		s := string(p)
		if old != nil {
			s = *old + s
		}
		if l.buf.CompareAndSwap(old, &s) {
			return len(p), nil
		}
	}
}

func (l *lines) count(words string) int {
	if s := l.buf.Load(); s != nil {
		return strings.Count(*s, words)
	}
	return 0
}

// tree is what a directory holds: content by path; "dir" for directories, "-> x" for links.
type tree map[string]string

var project = tree{
	"main.py":             "import os\n",
	"pkg":                 "dir",
	"pkg/run.sh":          "#!/bin/sh\n",
	"pkg/data":            "dir",
	"pkg/data/blob":       strings.Repeat("0123456789abcdef", 5000),
	"pkg/link":            "-> run.sh",
	"pkg/dangling":        "-> nowhere",
	"empty":               "dir",
	"name with\nnewline☃": "odd",
}

func (t tree) tarball(tb testing.TB) []byte {
	tb.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, name := range slices.Sorted(maps.Keys(t)) {
		h := &tar.Header{Name: name, Mode: 0o644, ModTime: time.Unix(1_700_000_000, 0), Format: tar.FormatPAX}
		content := t[name]
		switch {
		case content == "dir":
			h.Typeflag, h.Name, h.Mode, content = tar.TypeDir, name+"/", 0o755, ""
		case strings.HasPrefix(content, "-> "):
			h.Typeflag, h.Linkname, content = tar.TypeSymlink, content[3:], ""
		default:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(content))
			if strings.HasSuffix(name, ".sh") {
				h.Mode = 0o755
			}
		}
		must(tb, tw.WriteHeader(h))
		_, err := io.WriteString(tw, content)
		must(tb, err)
	}
	must(tb, tw.Close())
	must(tb, zw.Close())
	return buf.Bytes()
}

func readTree(root string) (tree, error) {
	t := tree{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		switch {
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

func mustBeTree(tb testing.TB, root string, want tree) {
	tb.Helper()
	got, err := readTree(root)
	if err != nil {
		tb.Fatal(err)
	}
	for name := range want {
		if got[name] != want[name] {
			tb.Errorf("%s in %s = %.40q, want %.40q", name, root, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			tb.Errorf("%s in %s is not in the target", name, root)
		}
	}
}

func mustBeGone(tb testing.TB, path string) {
	tb.Helper()
	if _, err := os.Lstat(path); err == nil {
		tb.Errorf("%s still exists", path)
	}
}

func mustExist(tb testing.TB, path string) {
	tb.Helper()
	if _, err := os.Lstat(path); err != nil {
		tb.Error(err)
	}
}

func mustBeKind(tb testing.TB, err error, want cordon.Kind, words ...string) {
	tb.Helper()
	if got := cordon.KindOf(err); got != want {
		tb.Fatalf("error = %v (kind %q), want kind %q", err, got, want)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			tb.Errorf("error %q does not say %q", err, w)
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// random returns content that does not compress.
func random(seed byte, n int) []byte {
	b := make([]byte, n)
	x := uint64(seed) + 88172645463325252
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

var modes = []cordon.Mode{cordon.Isolated, cordon.Shared, cordon.CopyOnWrite}

func name(format string, args ...any) string { return fmt.Sprintf(format, args...) }
