package archive

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

func TestAFullDiskIsNoSpace(t *testing.T) {
	mnt := t.TempDir()
	if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, "size=1m,nr_inodes=100"); err != nil {
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(mnt, 0)) })
	var many []hdr
	for i := range 200 {
		many = append(many, file(strings.Repeat("n", i+1), ""))
	}
	for name, b := range (blobs{"bytes": tarOf(file("big", strings.Repeat("x", 2<<20))), "inodes": tarOf(many[:99]...)}) {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(mnt, name)
			must(t, os.Mkdir(dir, 0o700))
			defer os.RemoveAll(dir)
			root, err := os.OpenRoot(dir)
			must(t, err)
			defer root.Close()
			_, err = Extract(t.Context(), bytes.NewReader(b), int64(len(b)), root, Options{})
			if cordon.KindOf(err) != cordon.NoSpace || !strings.Contains(err.Error(), "no space left") || strings.Contains(err.Error(), mnt) {
				t.Errorf("got %v of kind %q", err, cordon.KindOf(err))
			}
		})
	}
}

func TestADirectoryThatIsNotEmptyIsRefused(t *testing.T) {
	s := newStage(t)
	must(t, os.WriteFile(filepath.Join(s.base, "stage/a"), []byte("mine"), 0o644))
	if _, err := s.extract(tarOf(file("a", "1")), Options{}); cordon.KindOf(err) != cordon.InvalidArgument {
		t.Errorf("got %v", err)
	}
	sameTree(t, s.tree(), files{"a": "file mine"})
}

// openDescriptors counts this process's descriptors.
func openDescriptors(t *testing.T) int {
	d, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(d)
}

func TestNoDescriptorIsLeft(t *testing.T) {
	root := newStage(t).root
	before := openDescriptors(t)
	for _, c := range append(tarHostile(), zipHostile()...) {
		// One directory for all: what one leaves, the next runs into, which is
		// one more way to fail.
		_, _ = extractInto(t.Context(), bytes.NewReader(c.bytes), int64(len(c.bytes)), root, Options{Policy: Tar, Limits: c.opts.Limits})
	}
	runtime.GC() // finalizers would hide nothing: they close late
	if after := openDescriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// The decoder must not allocate what a header of a few bytes asks for.
func TestXZDictionary(t *testing.T) {
	b := xzOf(xzBlock{tarOf(file("a", "1")), 36}) // 1 GiB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Inspect(t.Context(), bytes.NewReader(b), int64(len(b)), Options{})
	runtime.ReadMemStats(&after)
	if cordon.KindOf(err) != cordon.TargetTooLarge || !strings.Contains(err.Error(), "decodermemory=") {
		t.Errorf("got %v", err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
	b = xzOf(xzBlock{tarOf(file("a", "1")), 24}) // 16 MiB
	if _, err := Inspect(t.Context(), bytes.NewReader(b), int64(len(b)), Options{Limits: Limits{DecoderMemory: 16<<20 - 1}}); cordon.KindOf(err) != cordon.TargetTooLarge {
		t.Errorf("the limit cannot be lowered: %v", err)
	}
	if _, err := Inspect(t.Context(), bytes.NewReader(b), int64(len(b)), Options{Limits: Limits{DecoderMemory: 16 << 20}}); err != nil {
		t.Errorf("the limit cannot be raised: %v", err)
	}
}

// A million names must not cost a million long strings.
func TestThePlanIsSmall(t *testing.T) {
	const n = 20_000
	deep := strings.Repeat("some-directory-name/", 40)
	var b bytes.Buffer
	for i := range n {
		b.Write(hdr{name: deep + "f" + strings.Repeat("0", 8) + string(rune('a'+i%26)) + strings.Repeat("x", i/26%200) + string(rune('a'+i/5200)), long: true}.bytes())
	}
	b.Write(make([]byte, 1024))
	x := newExtraction(t.Context(), bytes.NewReader(b.Bytes()), int64(b.Len()), Options{})
	x.sink = nothing{x.buf}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	must(t, x.extract())
	runtime.GC()
	runtime.ReadMemStats(&after)
	if per := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; per > 400 {
		t.Errorf("%d bytes are kept for each file", per)
	}
	runtime.KeepAlive(x)
	runtime.KeepAlive(&b)
}
