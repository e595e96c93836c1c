package targettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// BlobHarness is one store of blobs under test, whose place for them does not
// exist yet.
type BlobHarness struct {
	Blobs target.Blobs

	// Stored returns all that lies in the place for blobs, unfinished uploads included.
	Stored func(t *testing.T) []string

	// Again is that of Harness.
	Again bool

	// Racy says that of several who put one key at once if it is absent, more than
	// one may be told that they created it: Ceph 16 looks, and then stores.
	Racy bool
}

// RunBlobs runs the suite for target.Blobs. open returns a new harness,
// independent of all others.
func RunBlobs(t *testing.T, open func(t *testing.T) BlobHarness) {
	for _, b := range blobs {
		t.Run(b.name, func(t *testing.T) { b.test(t, open(t)) })
	}
}

func putBlob(t testing.TB, b target.Blobs, key string, body []byte, opts target.PutBlob) bool {
	t.Helper()
	created, err := b.PutBlob(context.Background(), key, bytes.NewReader(body), int64(len(body)), opts)
	if err != nil {
		t.Fatalf("PutBlob %s: %v", key, err)
	}
	return created
}

func getBlob(t testing.TB, b target.Blobs, key string) []byte {
	t.Helper()
	r, info, err := b.OpenBlob(context.Background(), key)
	if err != nil {
		t.Fatalf("OpenBlob %s: %v", key, err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	if info.Key != key || info.Size != int64(len(body)) || time.Since(info.Modified).Abs() > time.Hour {
		t.Errorf("OpenBlob %s of %d bytes: %+v", key, len(body), info)
	}
	return body
}

func listBlobs(t testing.TB, b target.Blobs, prefix string) (keys []string) {
	t.Helper()
	for info, err := range b.ListBlobs(context.Background(), prefix) {
		if err != nil {
			t.Fatalf("ListBlobs %q: %v", prefix, err)
		}
		if time.Since(info.Modified).Abs() > time.Hour {
			t.Errorf("ListBlobs has %+v", info)
		}
		keys = append(keys, fmt.Sprintf("%s %d", info.Key, info.Size))
	}
	return keys
}

var absent = target.PutBlob{IfAbsent: true}

var blobs = []struct {
	name string
	test func(t *testing.T, h BlobHarness)
}{
	{"a store that has nothing yet lists nothing, finds nothing and removes nothing", func(t *testing.T, h BlobHarness) {
		if keys := listBlobs(t, h.Blobs, ""); keys != nil {
			t.Errorf("it lists %q", keys)
		}
		if keys := listBlobs(t, h.Blobs, "crashes/a"); keys != nil {
			t.Errorf("it lists %q", keys)
		}
		_, _, err := h.Blobs.OpenBlob(t.Context(), "a")
		wantKind(t, err, cordon.TargetNotFound)
		if err := h.Blobs.RemoveBlob(t.Context(), "a"); err != nil {
			t.Error(err)
		}
	}},
	{"blobs of every size are read back, and the first write makes their place", func(t *testing.T, h BlobHarness) {
		sizes := []int{0, 1, 4096, 8 << 20, 16<<20 - 1, 16 << 20, 16<<20 + 1, 2 * big}
		if h.Again {
			sizes = []int{0, 1, 4096, 16 << 20, 16<<20 + 1}
		}
		for _, opts := range []target.PutBlob{{}, absent} {
			for _, n := range sizes {
				key, body := fmt.Sprintf("sizes/%v/%d", opts.IfAbsent, n), content(uint64(n), n)
				if !putBlob(t, h.Blobs, key, body, opts) {
					t.Errorf("%s was there already", key)
				}
				wantBytes(t, getBlob(t, h.Blobs, key), body)
			}
		}
	}},
	{"a put replaces what is there; one that must be the first leaves it", func(t *testing.T, h BlobHarness) {
		for _, n := range []int{10, big} {
			if !putBlob(t, h.Blobs, "a/b", content(1, n), target.PutBlob{}) || !putBlob(t, h.Blobs, "a/b", content(2, n), target.PutBlob{}) {
				t.Error("a put that replaces has created nothing")
			}
			wantBytes(t, getBlob(t, h.Blobs, "a/b"), content(2, n))
			if putBlob(t, h.Blobs, "a/b", content(3, n+1), absent) {
				t.Error("what is there was created again")
			}
			wantBytes(t, getBlob(t, h.Blobs, "a/b"), content(2, n))
		}
	}},
	{"of many who put one key at once if it is absent, one creates it", func(t *testing.T, h BlobHarness) {
		for _, n := range []int{1000, big} {
			key := fmt.Sprintf("race/%d", n)
			var wg sync.WaitGroup
			var mu sync.Mutex
			winners := map[int]bool{}
			for i := range 6 {
				wg.Go(func() {
					created, err := h.Blobs.PutBlob(context.Background(), key, bytes.NewReader(content(uint64(i), n)), int64(n), absent)
					if err != nil {
						t.Error(err)
					}
					if created {
						mu.Lock()
						winners[i] = true
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if len(winners) == 0 || len(winners) > 1 && !h.Racy {
				t.Fatalf("%d created it", len(winners))
			}
			got := getBlob(t, h.Blobs, key)
			if i := slices.IndexFunc(slices.Collect(maps.Keys(winners)), func(i int) bool { return bytes.Equal(got, content(uint64(i), n)) }); i < 0 {
				t.Errorf("the %d stored bytes are of nobody who created them", len(got))
			}
		}
		if s := h.Stored(t); len(s) != 2 {
			t.Errorf("left over: %q", s)
		}
	}},
	{"the list is in the order of the keys, of what lies below whole components", func(t *testing.T, h BlobHarness) {
		keys := []string{"a-b/x", "a.b", "a/b", "a/c.d/e", "a/c/e", "a/c/f", "a~", "b", "z/%2E~+=_-"}
		for _, key := range slices.Backward(keys) {
			putBlob(t, h.Blobs, key, []byte(key), target.PutBlob{})
		}
		for prefix, want := range map[string][]string{
			"": keys, "a": keys[2:6], "a/c": keys[4:6], "b": nil, "a/c/e": nil, "a/": {"invalid"}, "nothing": nil, "z": keys[8:],
		} {
			if prefix == "a/" {
				for _, err := range h.Blobs.ListBlobs(t.Context(), prefix) {
					wantKind(t, err, cordon.InvalidArgument)
				}
				continue
			}
			var sized []string
			for _, key := range want {
				sized = append(sized, fmt.Sprintf("%s %d", key, len(key)))
			}
			if got := listBlobs(t, h.Blobs, prefix); !slices.Equal(got, sized) {
				t.Errorf("below %q it lists %q, want %q", prefix, got, sized)
			}
		}
		n := 0
		for range h.Blobs.ListBlobs(t.Context(), "") {
			if n++; n == 2 {
				break
			}
		}
	}},
	{"what is removed is gone, and removing it again is no error", func(t *testing.T, h BlobHarness) {
		for _, key := range []string{"a/b/c", "a/b/d", "a/e"} {
			putBlob(t, h.Blobs, key, []byte("x"), target.PutBlob{})
		}
		for _, key := range []string{"a/b/c", "a/b/c", "a/b", "a/b/d", "x/y"} {
			if err := h.Blobs.RemoveBlob(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
		_, _, err := h.Blobs.OpenBlob(t.Context(), "a/b/c")
		wantKind(t, err, cordon.TargetNotFound)
		if got := listBlobs(t, h.Blobs, ""); !slices.Equal(got, []string{"a/e 1"}) {
			t.Errorf("it lists %q", got)
		}
		if !putBlob(t, h.Blobs, "a/b/c", []byte("y"), absent) {
			t.Error("what was removed is still there")
		}
	}},
	{"puts and removals of neighbours at once lose nothing", func(t *testing.T, h BlobHarness) {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for range 25 {
					key := fmt.Sprintf("deep/down/%d", i)
					if created, err := h.Blobs.PutBlob(context.Background(), key, strings.NewReader("x"), 1, absent); err != nil || !created {
						t.Error(created, err)
					}
					if err := h.Blobs.RemoveBlob(context.Background(), key); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if got := h.Stored(t); len(got) != 0 {
			t.Errorf("left over: %q", got)
		}
	}},
	{"bytes that are not as many as stated, and a reader that fails, leave what is there", func(t *testing.T, h BlobHarness) {
		putBlob(t, h.Blobs, "old", []byte("old"), target.PutBlob{})
		for _, n := range []int64{100, big} {
			body := content(1, int(n))
			for _, size := range []int64{n - 1, n + 1, 0, n + 20<<20} {
				for _, opts := range []target.PutBlob{{}, absent} {
					for _, key := range []string{"old", "new"} {
						_, err := h.Blobs.PutBlob(t.Context(), key, bytes.NewReader(body), size, opts)
						if opts.IfAbsent && key == "old" && err == nil {
							continue // it was not read
						}
						wantKind(t, err, cordon.IntegrityMismatch)
					}
				}
			}
			_, err := h.Blobs.PutBlob(t.Context(), "new", io.MultiReader(bytes.NewReader(body), iotest.ErrReader(errUploader)), n+1, target.PutBlob{})
			if !errors.Is(err, errUploader) || cordon.KindOf(err) != "" {
				t.Errorf("PutBlob = %v, want %v", err, errUploader)
			}
		}
		if s := h.Stored(t); len(s) != 1 {
			t.Errorf("left over: %q", s)
		}
		wantBytes(t, getBlob(t, h.Blobs, "old"), []byte("old"))
	}},
	{"a blob is invisible until it is complete", func(t *testing.T, h BlobHarness) {
		pr, pw := io.Pipe()
		done := make(chan error, 1)
		body := content(1, big)
		go func() {
			_, err := h.Blobs.PutBlob(context.Background(), "a/b", pr, big, absent)
			pr.CloseWithError(err)
			done <- err
		}()
		if _, err := pw.Write(body); err != nil {
			t.Fatal(err)
		}
		_, _, err := h.Blobs.OpenBlob(t.Context(), "a/b")
		wantKind(t, err, cordon.TargetNotFound)
		if got := listBlobs(t, h.Blobs, ""); got != nil {
			t.Errorf("it lists %q", got)
		}
		pw.Close()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		wantBytes(t, getBlob(t, h.Blobs, "a/b"), body)
	}},
	{"a read that began goes on, or says so, when the blob is replaced or removed", func(t *testing.T, h BlobHarness) {
		for _, change := range []func(key string) error{
			func(key string) error { putBlob(t, h.Blobs, key, content(2, 60_000), target.PutBlob{}); return nil },
			func(key string) error { return h.Blobs.RemoveBlob(context.Background(), key) },
		} {
			body := content(1, 50_000) // what sockets hold: MinIO lets nobody change what it is sending
			putBlob(t, h.Blobs, "a", body, target.PutBlob{})
			r, _, err := h.Blobs.OpenBlob(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			if err := change("a"); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err == nil {
				wantBytes(t, got, body)
			} else if cordon.KindOf(err) == "" {
				t.Errorf("the read ended with %v", err)
			}
			r.Close()
		}
	}},
	{"keys that are none are InvalidArgument everywhere", func(t *testing.T, h BlobHarness) {
		for _, key := range []string{"", "/a", "a/", "..", "a/../b", ".put-x", "a b", "a/b/c/d/e/f/g/h/i", strings.Repeat("x", 201)} {
			_, perr := h.Blobs.PutBlob(t.Context(), key, strings.NewReader("x"), 1, target.PutBlob{})
			_, _, oerr := h.Blobs.OpenBlob(t.Context(), key)
			rerr := h.Blobs.RemoveBlob(t.Context(), key)
			for _, err := range []error{perr, oerr, rerr} {
				wantKind(t, err, cordon.InvalidArgument)
			}
		}
		_, err := h.Blobs.PutBlob(t.Context(), "a", strings.NewReader("x"), -1, target.PutBlob{})
		wantKind(t, err, cordon.InvalidArgument)
	}},
	{"a call whose context is over does nothing and says so", func(t *testing.T, h BlobHarness) {
		putBlob(t, h.Blobs, "a", []byte("a"), target.PutBlob{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, perr := h.Blobs.PutBlob(ctx, "b", strings.NewReader("x"), 1, target.PutBlob{})
		_, aerr := h.Blobs.PutBlob(ctx, "c", strings.NewReader("x"), 1, absent)
		_, _, oerr := h.Blobs.OpenBlob(ctx, "a")
		rerr := h.Blobs.RemoveBlob(ctx, "a")
		var lerr error
		for _, lerr = range h.Blobs.ListBlobs(ctx, "") {
		}
		for what, err := range map[string]error{"PutBlob": perr, "PutBlob if absent": aerr, "OpenBlob": oerr, "RemoveBlob": rerr, "ListBlobs": lerr} {
			if !errors.Is(err, context.Canceled) || cordon.KindOf(err) != "" {
				t.Errorf("%s: %v, want the context's error without a kind", what, err)
			}
		}
		if got := h.Stored(t); len(got) != 1 {
			t.Errorf("stored is %q", got)
		}
	}},
}
