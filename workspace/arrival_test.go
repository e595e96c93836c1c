package workspace_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

// halting is a store whose bodies stop before their last bytes until they are
// let go on, or closed.
type halting struct {
	target.Source
	body []byte
	at   int
	on   chan struct{}
}

func (h *halting) Stat(ctx context.Context, id cordon.TargetID) (target.Info, error) {
	return target.Info{ID: id, Size: int64(len(h.body)), ETag: "1"}, nil
}

func (h *halting) Open(ctx context.Context, id cordon.TargetID, etag string) (io.ReadCloser, target.Info, error) {
	info, err := h.Stat(ctx, id)
	rest := &gated{ReadCloser: io.NopCloser(bytes.NewReader(h.body[h.at:])), gate: h.on, closed: make(chan struct{})}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(h.body[:h.at]), rest), rest}, info, err
}

// staged finds a file of a tree that is being made.
func (b *bench) staged(name string) bool {
	found, err := filepath.Glob(b.path(".cordon/staging/*/entry/workspace/" + name))
	must(b.t, err)
	return len(found) == 1
}

func TestTheTreeIsMadeWhileTheObjectArrives(t *testing.T) {
	// Noise, so that half of the compressed bytes are half of the files.
	files := tree{}
	for i := range 40 {
		files[name("f%02d", i)] = string(random(byte(i), 100_000))
	}
	body := files.tarball(t)
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			h := &halting{body: body, at: len(body) / 2, on: make(chan struct{})}
			b := newBench(t, func(o *workspace.Options) { o.Store = h })
			var got workspace.Workspace
			done := make(chan struct{})
			go func() {
				defer close(done)
				got = b.get("T", "R", mode)
			}()
			waitFor(t, func() bool { return b.staged("f00") && b.staged("f10") })
			if b.staged("f39") {
				t.Error("a file is there whose bytes are not")
			}
			mustBeGone(t, b.path("T/R"))
			close(h.on)
			<-done
			mustBeTree(t, got.Path, files)
			b.mustBeTidy()
		})
	}
}

func TestAZipIsExtractedOnceItsEndIsThere(t *testing.T) {
	var body bytes.Buffer
	w := zip.NewWriter(&body)
	f, err := w.Create("a")
	must(t, err)
	_, err = f.Write([]byte("content"))
	must(t, err)
	must(t, w.Close())
	h := &halting{body: body.Bytes(), at: body.Len() - 1, on: make(chan struct{})}
	b := newBench(t, func(o *workspace.Options) { o.Store = h })
	time.AfterFunc(100*time.Millisecond, func() { close(h.on) })
	mustBeTree(t, b.get("T", "R", cordon.Isolated).Path, tree{"a": "content"})
}

// What is refused for its size is not waited for.
func TestAnArchiveThatIsTooLargeEndsItsDownload(t *testing.T) {
	body := tree{"a": string(random(1, 3_000_000)), "b": string(random(2, 3_000_000))}.tarball(t)
	h := &halting{body: body, at: len(body) - 1, on: make(chan struct{})}
	b := newBench(t, func(o *workspace.Options) {
		o.Store, o.Limits = h, archive.Limits{Bytes: 1_000_000}
	})
	for _, mode := range modes {
		mustBeKind(t, b.getErr("T", "R", mode), cordon.TargetTooLarge)
	}
	b.mustBeTidy()
}

// Whether an archive is broken or was broken on its way decides who has to do
// something about it.
func TestDamageOnTheWayIsNotTheUploaders(t *testing.T) {
	body := project.tarball(t)
	sum := sha256.Sum256(body)
	bad := bytes.Clone(body)
	bad[len(bad)/3] ^= 0xff
	for what, tc := range map[string]struct {
		digest string
		kind   cordon.Kind
	}{
		"with a stated digest": {hex.EncodeToString(sum[:]), cordon.IntegrityMismatch},
		"without one":          {"", cordon.ArchiveRejected},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t)
			b.put("T", body)
			b.opts.Store = lying{b.store.Source, bad, func(i target.Info) target.Info { i.SHA256 = tc.digest; return i }}
			b.cache = b.open()
			for _, mode := range modes {
				mustBeKind(t, b.getErr("T", "R", mode), tc.kind)
			}
			b.mustBeTidy()
		})
	}
}

// What passes a limit because a bit flipped on the way is no matter for whoever
// sets limits.
func TestDamageThatPassesALimitIsNotTheOperators(t *testing.T) {
	enc, err := zstd.NewWriter(nil, zstd.WithSingleSegment(false), zstd.WithWindowSize(1<<20))
	must(t, err)
	var packed bytes.Buffer
	enc.Reset(&packed)
	_, err = enc.Write(random(3, 500_000))
	must(t, err)
	must(t, enc.Close())
	body := packed.Bytes()
	sum := sha256.Sum256(body)
	bad := bytes.Clone(body)
	bad[5] = 0xf8 // the window's size, behind magic and descriptor
	b := newBench(t)
	b.put("T", body)
	b.opts.Store = lying{b.store.Source, bad, func(i target.Info) target.Info { i.SHA256 = hex.EncodeToString(sum[:]); return i }}
	b.cache = b.open()
	mustBeKind(t, b.getErr("T", "R", cordon.Isolated), cordon.IntegrityMismatch)
	b.opts.Store = lying{b.store.Source, bad, func(i target.Info) target.Info { i.SHA256 = ""; return i }}
	b.cache = b.open()
	mustBeKind(t, b.getErr("T", "R", cordon.Isolated), cordon.TargetTooLarge)
	b.mustBeTidy()
}

// stating is a store that states a digest of its own making.
type stating struct {
	target.Source
	digest string
}

func (s stating) Stat(ctx context.Context, id cordon.TargetID) (target.Info, error) {
	i, err := s.Source.Stat(ctx, id)
	i.SHA256 = s.digest
	return i, err
}

func TestAStoredFileIsSharedWhereTheDiskCan(t *testing.T) {
	for _, fs := range []string{"btrfs", "xfs"} {
		t.Run(fs, func(t *testing.T) {
			disk := loopfs.New(t, fs, 512<<20)
			store, err := dir.Open(filepath.Join(disk, "store"))
			must(t, err)
			b := newBench(t, func(o *workspace.Options) { o.Dir, o.Store = filepath.Join(disk, "cache"), store })
			const size = 100 << 20
			body := random(7, size)
			sum := sha256.Sum256(body)
			id := request("T", "R", cordon.Isolated).Target
			_, err = store.Put(t.Context(), id, bytes.NewReader(body), target.PutOptions{Size: size, SHA256: hex.EncodeToString(sum[:])})
			must(t, err)
			before := taken(t, disk)
			ws := b.get("T", "R", cordon.Isolated)
			if more := taken(t, disk) - before; more > size/4 {
				t.Errorf("%d bytes of the disk were taken for a file of %d", more, size)
			}
			got, err := os.ReadFile(ws.Path)
			must(t, err)
			if sha256.Sum256(got) != sum {
				t.Error("it is another file")
			}
			// The cache's file is its own all the same.
			must(t, os.WriteFile(ws.Path, []byte("changed"), 0o644))
			if stored, err := os.ReadFile(filepath.Join(disk, "store/targets/T/target")); err != nil || sha256.Sum256(stored) != sum {
				t.Errorf("the stored object changed: %v", err)
			}

			b.opts.Store = stating{store, hex.EncodeToString(make([]byte, 32))}
			mustBeKind(t, func() error {
				_, err := b.open().Get(t.Context(), request("T", "R2", cordon.Isolated))
				return err
			}(), cordon.IntegrityMismatch)
			b.mustBeTidy()
		})
	}
}

// taken is how much of a file system is in use, once all is written.
func taken(t *testing.T, dir string) int64 {
	t.Helper()
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close()
	must(t, unix.Syncfs(int(f.Fd())))
	var st unix.Statfs_t
	must(t, unix.Statfs(dir, &st))
	return int64(st.Blocks-st.Bfree) * st.Bsize
}

func TestTheFetchLimitHoldsForAllDownloadsTogether(t *testing.T) {
	const limit = 1_000_000 // bytes per second
	b := newBench(t, func(o *workspace.Options) { o.FetchLimit = limit })
	b.put("T1", random(1, 700_000))
	b.put("T2", random(2, 700_000))
	began := time.Now()
	var wg sync.WaitGroup
	for _, id := range []string{"T1", "T2"} {
		wg.Go(func() { b.get(id, "R", cordon.Isolated) })
	}
	wg.Wait()
	// A tenth of a second's worth may pass at once.
	if d := time.Since(began); d < time.Second {
		t.Errorf("1.4 MB took %v, at 1 MB/s", d)
	}

	// A throttled download can be cancelled at once.
	b.put("T3", random(3, 50_000_000))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	began = time.Now()
	if _, err := b.cache.Get(ctx, request("T3", "R", cordon.Isolated)); err == nil {
		t.Error("it was not cancelled")
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("cancelling took %v", d)
	}
	b.mustBeTidy()
}
