package workspace_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/workspace"
)

func TestOpenRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(t *testing.T) string
		kind cordon.Kind
		says string
	}{
		{"no directory", func(t *testing.T) string { return "" }, cordon.InvalidArgument, "CACHE_DIR"},
		{"a file", func(t *testing.T) string {
			f := filepath.Join(t.TempDir(), "file")
			must(t, os.WriteFile(f, nil, 0o644))
			return f
		}, cordon.InvalidArgument, "CACHE_DIR"},
		{"a file as parent", func(t *testing.T) string {
			f := filepath.Join(t.TempDir(), "file")
			must(t, os.WriteFile(f, nil, 0o644))
			return f + "/cache"
		}, cordon.InvalidArgument, "CACHE_DIR"},
		{"a read-only file system", func(t *testing.T) string { return "/proc/cordon" }, "", "/proc/cordon"},
		{"a newer protocol", func(t *testing.T) string {
			d := t.TempDir()
			must(t, os.MkdirAll(filepath.Join(d, ".cordon"), 0o755))
			must(t, os.WriteFile(filepath.Join(d, ".cordon/version"), []byte("999\n"), 0o644))
			return d
		}, cordon.InvalidArgument, "999"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := workspace.Open(workspace.Options{Dir: tc.make(t)})
			if err == nil {
				t.Fatal("it opened")
			}
			mustBeKind(t, err, tc.kind, tc.says)
		})
	}
}

// Everything must work for a worker that is not root: renaming and deleting
// read-only trees above all.
func TestUnprivileged(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	b := newBench(t)
	b.put("T", project.tarball(t))
	for _, mode := range modes {
		ws := b.get("T", "R-"+string(mode), mode)
		mustBeTree(t, ws.Path, project)
		err := os.WriteFile(filepath.Join(ws.Path, "main.py"), []byte("changed"), 0o644)
		if denied := errors.Is(err, os.ErrPermission); denied != (mode == cordon.Shared) {
			t.Errorf("%s: writing: %v", mode, err)
		}
		b.cleanup(ws.Path, "R-"+string(mode))
	}
	b.put("T", newer.tarball(t))
	mustBeTree(t, b.get("T", "R2", cordon.Shared).Path, newer)
	b.cleanup(b.path("T/workspace"), "R2")
	_, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{Shrink: true})
	must(t, err)
	mustBeGone(t, b.path("T"))
	b.mustBeTidy()

	locked := filepath.Join(t.TempDir(), "locked")
	must(t, os.Mkdir(locked, 0o500))
	_, err = workspace.Open(workspace.Options{Dir: locked + "/cache"})
	mustBeKind(t, err, cordon.PermissionDenied, locked, "CACHE_DIR")
}

func TestGetRefuses(t *testing.T) {
	b := newBench(t)
	b.put("T", project.tarball(t))
	b.put("broken", project.tarball(t)[:200])
	b.put("hostile", tree{"../../escape": "x"}.tarball(t))
	_, err := b.cache.Get(t.Context(), workspace.Request{})
	mustBeKind(t, err, cordon.InvalidArgument)
	_, err = b.cache.Get(t.Context(), request("T", "R", "sideways"))
	mustBeKind(t, err, cordon.InvalidArgument, "sideways", "copy-on-write")
	for _, mode := range modes {
		mustBeKind(t, b.getErr("missing", "R", mode), cordon.TargetNotFound, "missing")
		mustBeKind(t, b.getErr("broken", "R", mode), cordon.ArchiveRejected, "broken")
		mustBeKind(t, b.getErr("hostile", "R", mode), cordon.ArchiveRejected, "..")
	}
	for _, id := range []string{"missing", "broken", "hostile", "escape", "../escape"} {
		mustBeGone(t, b.path(id))
	}
	b.mustBeTidy()
}

// lying is a store whose bytes are not what it says they are.
type lying struct {
	target.Source
	body []byte
	info func(target.Info) target.Info
}

func (l lying) Stat(ctx context.Context, id cordon.TargetID) (target.Info, error) {
	i, err := l.Source.Stat(ctx, id)
	return l.info(i), err
}

func (l lying) Open(ctx context.Context, id cordon.TargetID, etag string) (io.ReadCloser, target.Info, error) {
	i, err := l.Stat(ctx, id)
	return io.NopCloser(bytes.NewReader(l.body)), i, err
}

func TestWrongBytes(t *testing.T) {
	body := []byte("hello, world")
	for _, tc := range []struct {
		name string
		body []byte
		info func(target.Info) target.Info
		kind cordon.Kind
	}{
		{"fewer bytes than said", body[:5], func(i target.Info) target.Info { return i }, cordon.StorageUnavailable},
		{"more bytes than said", append(body, "!"...), func(i target.Info) target.Info { return i }, cordon.StorageUnavailable},
		{"another SHA-256 than said", body, func(i target.Info) target.Info { i.SHA256 = "00ff"; return i }, cordon.IntegrityMismatch},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			b.put("T", body)
			b.opts.Store = lying{b.store.Source, tc.body, tc.info}
			b.cache = b.open()
			for _, mode := range modes {
				mustBeKind(t, b.getErr("T", "R", mode), tc.kind)
			}
			mustBeGone(t, b.path("T"))
			b.mustBeTidy()
		})
	}
}

func TestDiskFull(t *testing.T) {
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("mounting a small tmpfs needs CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
	b := newBench(t, func(o *workspace.Options) { o.Dir = filepath.Join(small, "cache") })
	b.put("fits", tree{"blob": string(random(1, 500_000))}.tarball(t))
	b.put("not", tree{"blob": string(random(2, 2_000_000))}.tarball(t))
	ws := b.get("fits", "R", cordon.Isolated)
	for _, mode := range modes {
		mustBeKind(t, b.getErr("not", "R", mode), cordon.NoSpace, "space")
		b.mustBeTidy()
	}
	mustBeTree(t, ws.Path, tree{"blob": string(random(1, 500_000))})
	b.cleanup(ws.Path, "R")
	b.mustBeTidy()
	b.put("not", tree{"blob": string(random(2, 1_000_000))}.tarball(t))
	b.get("not", "R", cordon.Isolated)
}
