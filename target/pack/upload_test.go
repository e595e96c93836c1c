package pack_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/pack"
)

func TestAFileIsUploadedAsItIs(t *testing.T) {
	for _, content := range []string{"", "PK\x03\x04 not really", strings.Repeat("x", 3<<20)} {
		root := tree(t, map[string]string{"f.zip": content})
		s, st := open(t, root+"/f.zip"), store(t)
		info, existed, err := s.Upload(t.Context(), st, nil)
		if err != nil || existed {
			t.Fatalf("Upload = %v, %v", existed, err)
		}
		sum := hash(t, root+"/f.zip")
		if info.ID != sum.ID || info.ID.String() != "sha256-"+sum.SHA256 || info.SHA256 != sum.SHA256 || sum.Kind != pack.File || sum.Bytes != int64(len(content)) {
			t.Errorf("Info = %+v, Summary = %+v", info, sum)
		}
		r, _, err := st.Open(t.Context(), info.ID, info.ETag)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if b, err := io.ReadAll(r); err != nil || string(b) != content {
			t.Errorf("stored are %d bytes, %v", len(b), err)
		}
	}
}

// counting counts the Puts of a store.
type counting struct {
	target.Store
	puts int
}

func (c *counting) Put(ctx context.Context, id cordon.TargetID, r io.Reader, opts target.PutOptions) (target.Info, error) {
	c.puts++
	return c.Store.Put(ctx, id, r, opts)
}

func TestTheSameProjectUploadedTwiceIsSentOnce(t *testing.T) {
	st := &counting{Store: store(t)}
	files := map[string]string{"a": "1", "b/c": "2"}
	first, existed, err := open(t, tree(t, files)).Upload(t.Context(), st, nil)
	if err != nil || existed {
		t.Fatalf("first: %v, %v", existed, err)
	}
	second, existed, err := open(t, tree(t, files)).Upload(t.Context(), st, nil)
	if err != nil || !existed || second.ETag != first.ETag || st.puts != 1 {
		t.Errorf("second: %+v, %v, %v after %d puts", second, existed, err, st.puts)
	}
}

// forgetful is a store that keeps no digests, under an id of its own if that is
// not zero.
type forgetful struct {
	target.Store
	id cordon.TargetID
}

func (f forgetful) at(id cordon.TargetID) cordon.TargetID {
	if f.id.IsZero() {
		return id
	}
	return f.id
}

func (f forgetful) Stat(ctx context.Context, id cordon.TargetID) (target.Info, error) {
	info, err := f.Store.Stat(ctx, f.at(id))
	info.SHA256 = ""
	return info, err
}

func (f forgetful) Put(ctx context.Context, id cordon.TargetID, r io.Reader, opts target.PutOptions) (target.Info, error) {
	return f.Store.Put(ctx, f.at(id), r, opts)
}

func TestWithoutADigestTheSizeDecidesOnlyUnderTheIdOfTheContent(t *testing.T) {
	mine, err := cordon.ParseTargetID("mine")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []cordon.TargetID{{}, mine} {
		st := forgetful{store(t), id}
		for i, content := range []string{"11", "11", "22"} {
			info, existed, err := open(t, tree(t, map[string]string{"a": content})+"/a").Upload(t.Context(), st, nil)
			if want := i == 1 && id.IsZero(); err != nil || existed != want {
				t.Errorf("%q put as %s: existed is %v, want %v; %v", content, info.ID, existed, want, err)
			}
		}
	}
}

func TestADamagedObjectUnderTheIdIsReplaced(t *testing.T) {
	st := store(t)
	s := open(t, tree(t, map[string]string{"a": "1"}))
	info, _, err := s.Upload(t.Context(), st, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(st.Root(), "targets", info.ID.String(), "target"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	again, existed, err := s.Upload(t.Context(), st, nil)
	if err != nil || existed || again.Size != info.Size {
		t.Errorf("Upload = %+v, %v, %v", again, existed, err)
	}
}

func TestASourceThatChangesAfterItsHashIsNotStored(t *testing.T) {
	for name, change := range map[string]func(root string) error{
		"a file of other content": func(root string) error { return os.WriteFile(root+"/a", []byte("2"), 0o644) },
		"a file that has grown":   func(root string) error { return os.WriteFile(root+"/a", make([]byte, 1<<20), 0o644) },
		"a file that has gone":    func(root string) error { return os.Remove(root + "/b") },
		"a file that has come":    func(root string) error { return os.WriteFile(root+"/c", nil, 0o644) },
		"a mode":                  func(root string) error { return os.Chmod(root+"/a", 0o755) },
		"a file made a FIFO":      func(root string) error { return errors.Join(os.Remove(root+"/b"), syscall.Mkfifo(root+"/b", 0o644)) },
	} {
		t.Run(name, func(t *testing.T) {
			root, st := tree(t, map[string]string{"a": "1", "b": "2"}), store(t)
			s := open(t, root)
			sum, err := s.Hash(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := change(root); err != nil {
				t.Fatal(err)
			}
			_, _, err = s.Upload(t.Context(), st, nil)
			if cordon.KindOf(err) != cordon.IntegrityMismatch {
				t.Errorf("Upload = %v", err)
			}
			if _, err := st.Stat(t.Context(), sum.ID); cordon.KindOf(err) != cordon.TargetNotFound {
				t.Errorf("it was stored: %v", err)
			}
		})
	}
	t.Run("a single file", func(t *testing.T) {
		for _, now := range []string{"2", "22", ""} {
			root, st := tree(t, map[string]string{"a": "1"}), store(t)
			s := open(t, root+"/a")
			sum, err := s.Hash(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(root+"/a", []byte(now), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, _, err = s.Upload(t.Context(), st, nil); cordon.KindOf(err) != cordon.IntegrityMismatch {
				t.Errorf("Upload = %v", err)
			}
			if _, err := st.Stat(t.Context(), sum.ID); cordon.KindOf(err) != cordon.TargetNotFound {
				t.Errorf("it was stored: %v", err)
			}
		}
	})
}

func TestProgressRunsToItsTotal(t *testing.T) {
	root := tree(t, map[string]string{"a": strings.Repeat("x", 5<<20), "b": "y", "c": string(noise(3 << 20))})
	s := open(t, root)
	var calls int
	var last, sum int64
	watch := func(done, total int64) {
		if done < last || done > total {
			t.Errorf("%d after %d of %d", done, last, total)
		}
		calls, last, sum = calls+1, done, total
	}
	want, err := s.Hash(t.Context(), watch)
	if err != nil || last != want.Bytes || sum != want.Bytes || calls < 5 || calls > 20 {
		t.Errorf("%d calls, the last with %d of %d; %v", calls, last, sum, err)
	}
	calls, last, sum = 0, 0, 0
	if _, _, err := s.Upload(t.Context(), store(t), watch); err != nil || last != want.UploadSize || sum != want.UploadSize || calls < 2 {
		t.Errorf("%d calls, the last with %d of %d; %v", calls, last, sum, err)
	}
}

func TestCancellingEndsAHashAndAnUpload(t *testing.T) {
	root := tree(t, map[string]string{"a": string(noise(8 << 20))})
	s, st := open(t, root), store(t)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.Hash(ctx, func(int64, int64) { cancel() }); !errors.Is(err, context.Canceled) || cordon.KindOf(err) != "" {
		t.Errorf("Hash = %v", err)
	}
	if _, err := s.Hash(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	if _, _, err := s.Upload(ctx, st, func(int64, int64) { cancel() }); !errors.Is(err, context.Canceled) || cordon.KindOf(err) != "" {
		t.Errorf("Upload = %v", err)
	}
}

// TestTheBytesAreTheSameOnAnyNumberOfCores is about trees as frames_test.go is
// about bytes.
func TestTheBytesAreTheSameOnAnyNumberOfCores(t *testing.T) {
	files := map[string]string{"big": string(noise(20 << 20)), "long": strings.Repeat("text ", 4<<20)}
	for i := range 300 {
		files[fmt.Sprintf("dir%d/file%d", i%7, i)] = strings.Repeat("x", i*i)
	}
	root := tree(t, files)
	want := hash(t, root)
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, cores := range []int{1, 2, 3, 16} {
		runtime.GOMAXPROCS(cores)
		if got := hash(t, root); !reflect.DeepEqual(got, want) {
			t.Errorf("on %d cores it is %+v, want %+v", cores, got, want)
		}
		if _, _, err := open(t, root).Upload(t.Context(), store(t), nil); err != nil {
			t.Errorf("on %d cores: %v", cores, err)
		}
	}
}

// stale is a store that answers Busy a number of times after having read a part.
type stale struct {
	target.Store
	answers int
	opts    []target.PutOptions
}

func (s *stale) Put(ctx context.Context, id cordon.TargetID, r io.Reader, opts target.PutOptions) (target.Info, error) {
	if s.opts = append(s.opts, opts); len(s.opts) <= s.answers {
		_, _ = io.CopyN(io.Discard, r, 2<<20)
		return target.Info{}, &cordon.Error{Kind: cordon.Busy, Op: "put target", Err: errors.New("another upload was in the way")}
	}
	return s.Store.Put(ctx, id, r, opts)
}

func TestAnUploadMayBeContinuedAndOneThatWasInTheWayIsOvercomeOnce(t *testing.T) {
	root := tree(t, map[string]string{"a": string(noise(9 << 20))})
	for path, kind := range map[string]pack.Kind{root: pack.Tree, root + "/a": pack.File} {
		for answers := range 3 {
			s, st := open(t, path), &stale{Store: store(t), answers: answers}
			var last int64
			info, existed, err := s.Upload(t.Context(), st, func(done, total int64) { last = done })
			if answers == 2 {
				if cordon.KindOf(err) != cordon.Busy || len(st.opts) != 2 {
					t.Errorf("%s: after %d puts: %v, want the second Busy", kind, len(st.opts), err)
				}
				continue
			}
			if err != nil || existed || len(st.opts) != answers+1 || last != info.Size {
				t.Errorf("%s: %d puts, %v, %v; progress to %d of %d", kind, len(st.opts), existed, err, last, info.Size)
			}
			for i, o := range st.opts {
				if o.Resume != (i == 0) || o.Size != info.Size || o.SHA256 != info.SHA256 {
					t.Errorf("%s: put with %+v", kind, o)
				}
			}
		}
	}
}

// overtaken is a store in which somebody else stores the object while it is put.
type overtaken struct {
	*counting
	stored []byte
}

func (o overtaken) Put(ctx context.Context, id cordon.TargetID, r io.Reader, opts target.PutOptions) (target.Info, error) {
	o.puts++
	if _, err := o.Store.Put(ctx, id, bytes.NewReader(o.stored), target.PutOptions{Size: -1}); err != nil {
		return target.Info{}, err
	}
	return target.Info{}, &cordon.Error{Kind: cordon.Busy, Op: "put target", Err: errors.New("another upload has joined the parts")}
}

func TestWhatSomebodyElseHasStoredMeanwhileIsNotSentAgain(t *testing.T) {
	const content = "the same bytes"
	st := overtaken{&counting{Store: store(t)}, []byte(content)}
	info, existed, err := open(t, tree(t, map[string]string{"a": content})+"/a").Upload(t.Context(), st, nil)
	if err != nil || !existed || st.puts != 1 || info.Size != int64(len(content)) || info.ETag == "" {
		t.Errorf("after %d puts Upload = %+v, %v, %v", st.puts, info, existed, err)
	}
}

// slow is a store that has read everything before anything goes out, and has to
// send the last mebibytes twice.
type slow struct {
	target.Store
	read *bool
}

func (s slow) Put(ctx context.Context, id cordon.TargetID, r io.Reader, opts target.PutOptions) (target.Info, error) {
	sent := opts.Sent
	opts.Sent = nil
	info, err := s.Store.Put(ctx, id, r, opts)
	*s.read = true
	for _, n := range []int64{1 << 20, 2<<20 - 1, 2 << 20, 3 << 20, 3<<20 - 1, 1 << 20, info.Size} {
		sent(n)
	}
	return info, err
}

func TestTheProgressOfAnUploadIsOfWhatHasGoneOut(t *testing.T) {
	root := tree(t, map[string]string{"a": string(noise(4 << 20))})
	for _, path := range []string{root, root + "/a"} {
		var read bool
		var told []int64
		info, _, err := open(t, path).Upload(t.Context(), slow{store(t), &read}, func(done, total int64) {
			if !read {
				t.Error("what was only read is told as sent")
			}
			told = append(told, done)
		})
		if want := []int64{1 << 20, 2 << 20, 3 << 20, 1 << 20, info.Size}; err != nil || !slices.Equal(told, want) {
			t.Errorf("%s: told is %v, want %v; %v", path, told, want, err)
		}
	}
}

func TestAStoreThatFailsEndsTheReading(t *testing.T) {
	root := tree(t, map[string]string{"a": string(noise(40 << 20))})
	s := open(t, root)
	if _, err := s.Hash(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	pack.LeavesNoGoroutines(t)
	if _, _, err := s.Upload(t.Context(), failing{store(t)}, nil); cordon.KindOf(err) != cordon.StorageUnavailable {
		t.Errorf("Upload = %v", err)
	}
}

// failing is a store that breaks off.
type failing struct{ target.Store }

func (f failing) Put(_ context.Context, _ cordon.TargetID, r io.Reader, _ target.PutOptions) (target.Info, error) {
	_, _ = io.CopyN(io.Discard, r, 1<<20)
	return target.Info{}, &cordon.Error{Kind: cordon.StorageUnavailable, Op: "put target"}
}

func TestCancellingIsPromptAndLeavesNobody(t *testing.T) {
	const prompt = 2 * time.Second // most of it for a machine that is busy otherwise
	root := tree(t, map[string]string{"a": string(noise(200 << 20)), "b": "x"})
	pack.LeavesNoGoroutines(t)
	var cancelled time.Time
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	now := func(int64, int64) {
		if cancelled.IsZero() {
			cancelled = time.Now()
			cancel()
		}
	}
	s := open(t, root)
	if _, err := s.Hash(ctx, now); !errors.Is(err, context.Canceled) || time.Since(cancelled) > prompt {
		t.Errorf("Hash = %v, %v after the cancel", err, time.Since(cancelled))
	}
	if _, err := s.Hash(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	cancelled = time.Time{}
	if _, _, err := s.Upload(ctx, store(t), now); !errors.Is(err, context.Canceled) || time.Since(cancelled) > prompt {
		t.Errorf("Upload = %v, %v after the cancel", err, time.Since(cancelled))
	}
}

func TestAFileThatGrowsWithoutEndIsNoEndlessRead(t *testing.T) {
	root := tree(t, map[string]string{"log": string(noise(4 << 20))})
	f, err := os.OpenFile(root+"/log", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	grown := 0
	_, err = open(t, root).Hash(t.Context(), func(int64, int64) { // for every mebibyte that is read there are two more
		grown++
		if _, err := f.Write(noise(2 << 20)); err != nil {
			t.Error(err)
		}
	})
	if cordon.KindOf(err) != cordon.IntegrityMismatch || grown == 0 || grown > 5 {
		t.Errorf("after it has grown %d times, Hash = %v", grown, err)
	}
}

func TestASparseFileIsPackedAsItReads(t *testing.T) {
	size := int64(1) << 30
	if testing.Short() {
		size = 64 << 20
	}
	root := tree(t, map[string]string{"image": "boot"})
	if err := os.Truncate(root+"/image", size); err != nil {
		t.Fatal(err)
	}
	sum := hash(t, root)
	if sum.Bytes != size || sum.UploadSize > size/1000 {
		t.Errorf("%d bytes become %d", sum.Bytes, sum.UploadSize)
	}
}

// discarding is a store of which nothing comes back.
type discarding struct{ target.Store }

func (d discarding) Put(_ context.Context, id cordon.TargetID, r io.Reader, opts target.PutOptions) (target.Info, error) {
	var all int64
	for {
		n, err := io.CopyN(io.Discard, r, 1<<20)
		all += n
		opts.Sent(all)
		if err == io.EOF {
			return target.Info{ID: id, Size: all}, nil
		}
		if err != nil {
			return target.Info{}, err
		}
	}
}

func TestTheMemoryOfAnUploadIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes a gigabyte")
	}
	const bound = 210 << 20 // bytes: what maxFrames promises for eight cores and more, and the test's own
	root := tree(t, map[string]string{"a": "x"})
	f, err := os.Create(root + "/noise")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, rand.NewChaCha8([32]byte{7}), 1<<30); err != nil { // what does not compress needs most
		t.Fatal(err)
	}
	before := runtime.GOMAXPROCS(16)
	defer runtime.GOMAXPROCS(before)
	for range 3 {
		runtime.GC() // what other tests have left goes with the second one
	}
	var most uint64
	var ms runtime.MemStats
	sample := func(int64, int64) {
		runtime.ReadMemStats(&ms)
		most = max(most, ms.HeapAlloc)
	}
	s := open(t, root)
	if _, err := s.Hash(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Upload(t.Context(), discarding{store(t)}, sample); err != nil {
		t.Fatal(err)
	}
	if most > bound || most < 64<<20 {
		t.Errorf("the heap had %d MiB, want at most %d, and to have been looked at", most>>20, bound>>20)
	}
}

func TestTarUnpacksWhatWasPacked(t *testing.T) {
	for _, tool := range []string{"tar", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here", tool)
		}
	}
	files := map[string]string{"a": "1", "b/größe": "2", "b/empty/": "", "l": "-> b", strings.Repeat("deep/", 60) + "x": "3", strings.Repeat("n", 200): "4", "big": string(noise(20 << 20)), "text": strings.Repeat("text ", 4<<20)}
	root, st := tree(t, files), store(t)
	info, _, err := open(t, root).Upload(t.Context(), st, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	object := filepath.Join(st.Root(), "targets", info.ID.String(), "target")
	if msg, err := exec.Command("tar", "--zstd", "-xf", object, "-C", out).CombinedOutput(); err != nil || len(msg) > 0 {
		t.Fatalf("tar: %v: %s", err, msg)
	}
	if got, want := listing(t, out), listing(t, root); got != want {
		t.Errorf("unpacked is\n%s\nwant\n%s", got, want)
	}
	if hash(t, out).ID != info.ID {
		t.Error("what was unpacked is another target than what was packed")
	}
	raw, err := exec.Command("zstd", "-dc", object).Output()
	if err != nil {
		t.Fatalf("zstd: %v", err)
	}
	if got := fmt.Sprintf("sha256-%x", sha256.Sum256(raw)); got != info.ID.String() {
		t.Errorf("what zstd reads has the id %s, want %s", got, info.ID)
	}
}

// listing returns the names and contents of a tree.
func listing(t *testing.T, root string) string {
	var b bytes.Buffer
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p) // p is below root
		switch {
		case d.IsDir():
			fmt.Fprintf(&b, "%s/\n", rel)
		case d.Type() == fs.ModeSymlink:
			link, err := os.Readlink(p)
			fmt.Fprintf(&b, "%s -> %s %v\n", rel, link, err)
		default:
			content, err := os.ReadFile(p)
			fmt.Fprintf(&b, "%s %d %.20q %v\n", rel, len(content), content, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
