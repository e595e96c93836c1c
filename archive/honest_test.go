package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// project is what people pack: nested directories, programs, links, odd names,
// an empty file and directory, something of more than one buffer.
func project(t *testing.T, top string) files {
	big := make([]byte, 700_001)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range big {
		big[i] = byte(rng.Uint32()) & 0x0f
	}
	tree := files{
		"src": "dir", "src/main.py": "file print()\n", "src/lib": "dir", "src/lib/big.bin": "file " + string(big),
		"bin": "dir", "bin/run": "exec #!/bin/sh\n", "empty": "file ", "void": "dir",
		"bin/main": "link ../src/main.py", "gone": "link not/there",
		"ä ö ü 漢字": "file utf-8", "with\nnewline": "file 1", strings.Repeat("long-", 40): "file 2",
	}
	for p, what := range tree {
		full := filepath.Join(top, p)
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		kind, content, _ := strings.Cut(what, " ")
		switch kind {
		case "dir":
			must(t, os.MkdirAll(full, 0o755))
		case "link":
			must(t, os.Symlink(content, full))
		case "exec":
			must(t, os.WriteFile(full, []byte(content), 0o755))
		default:
			must(t, os.WriteFile(full, []byte(content), 0o644))
		}
	}
	return tree
}

func TestRealToolsRoundTrip(t *testing.T) {
	tools := []struct{ format, command string }{
		{"tar", "tar -cf OUT -C DIR ."},
		{"tar", "tar --format=gnu -cf OUT -C DIR ."},
		{"tar", "tar --format=pax -cf OUT -C DIR ."},
		{"tar", "tar --format=posix --sparse -cf OUT -C DIR ."},
		{"tar", "bsdtar -cf OUT -C DIR ."},
		{"tar.gz", "tar -czf OUT -C DIR ."},
		{"tar.bz2", "tar -cjf OUT -C DIR ."},
		{"tar.xz", "tar -cJf OUT -C DIR ."},
		{"tar.xz", "tar -c -C DIR . | xz -9e -T2 --block-size=64KiB --check=sha256 > OUT"},
		{"tar.zst", "tar -c -C DIR . | zstd -19 --long -q > OUT"},
		{"tar.zst", "tar -c -C DIR . | zstd -1 -q > OUT"},
		{"tar.lz4", "tar -c -C DIR . | lz4 -q > OUT"},
		{"tar.lz4", "tar -c -C DIR . | lz4 -9 -BD -q > OUT"},
		{"tar.lz4", "tar -c -C DIR . | lz4 -l -q > OUT"},
		{"zip", "cd DIR && zip -qry OUT ."},
		{"zip", "cd DIR && zip -qry0 OUT ."},
		{"zip", "cd DIR && rm bin/main gone && zip -qr - . | cat > OUT"}, // streamed: data descriptors; links it cannot
		{"zip", "cd DIR && zip -qry -fz OUT ."},
		{"zip", "cd DIR && bsdtar --format=zip -cf OUT ."},
	}
	outs := t.TempDir() // the subtests' own have names that a shell reads
	for i, tool := range tools {
		t.Run(tool.command, func(t *testing.T) {
			top := filepath.Join(outs, fmt.Sprint("in", i))
			want := project(t, top)
			if strings.Contains(tool.command, "rm bin/main gone") {
				delete(want, "bin/main")
				delete(want, "gone")
			}
			out := filepath.Join(outs, fmt.Sprint("out", i))
			command := strings.NewReplacer("OUT", out, "DIR", top).Replace(tool.command)
			for _, word := range strings.Fields(command) {
				if slices.Contains([]string{"tar", "bsdtar", "xz", "zstd", "lz4", "zip"}, word) {
					if _, err := exec.LookPath(word); err != nil {
						t.Skipf("%s is not installed", word)
					}
				}
			}
			if msg, err := exec.Command("sh", "-ec", command).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", command, err, msg)
			}
			if _, err := os.Stat(out); err != nil {
				out += ".zip" // zip adds it
			}
			b, err := os.ReadFile(out)
			must(t, err)
			f, err := Detect(bytes.NewReader(b), int64(len(b)), Auto, Limits{})
			if err != nil || f.String() != tool.format {
				t.Fatalf("detected as %v, %v", f, err)
			}
			s := newStage(t)
			rep, err := s.extract(b, Options{})
			must(t, err)
			sameTree(t, s.tree(), want)
			s.counted(rep)
			s.same(b, rep)
			for p, what := range want {
				if strings.HasPrefix(what, "link") {
					continue
				}
				was, err := os.Stat(filepath.Join(top, p))
				must(t, err)
				is, err := os.Stat(filepath.Join(s.base, "stage", p))
				must(t, err)
				if d := was.ModTime().Sub(is.ModTime()).Abs(); d > 2*time.Second {
					t.Errorf("%q has the time %v, was %v", p, is.ModTime(), was.ModTime())
				}
			}
		})
	}
}

func TestBzip2FromARealWriter(t *testing.T) {
	b, err := os.ReadFile("testdata/tree.tar.bz2")
	must(t, err)
	s := newStage(t)
	rep, err := s.extract(b, Options{})
	must(t, err)
	sameTree(t, s.tree(), files{"d": "dir", "d/f": "file hello\n", "l": "link d/f", "run": "exec #!/bin/sh\n"})
	if rep.Format.String() != "tar.bz2" {
		t.Errorf("format is %v", rep.Format)
	}
}

// Clients pack PAX tar.gz files without directory entries, keep every link as it
// is, and store hard links as link members; people pack with a leading path.
func TestWhatClientsReallyMake(t *testing.T) {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	put := func(h tar.Header, body string) {
		h.Format, h.Size, h.ModTime = tar.FormatPAX, int64(len(body)), time.Unix(stamp, 123456789)
		must(t, w.WriteHeader(&h))
		_, err := w.Write([]byte(body))
		must(t, err)
	}
	put(tar.Header{Name: "venv/pyvenv.cfg", Mode: 0o644, Uid: 1000, Uname: "dev"}, "home = /usr/bin")
	put(tar.Header{Name: "venv/bin/python", Typeflag: tar.TypeSymlink, Linkname: "/usr/bin/python3", Mode: 0o777}, "")
	put(tar.Header{Name: "venv/bin/python3", Typeflag: tar.TypeSymlink, Linkname: "python", Mode: 0o777}, "")
	put(tar.Header{Name: "venv/lib64", Typeflag: tar.TypeSymlink, Linkname: "lib", Mode: 0o777}, "")
	put(tar.Header{Name: "venv/lib/python3/site.py", Mode: 0o600}, "import sys")
	put(tar.Header{Name: "target/debug/deps/app-0123", Mode: 0o755}, "ELF")
	put(tar.Header{Name: "target/debug/app", Typeflag: tar.TypeLink, Linkname: "target/debug/deps/app-0123", Mode: 0o755}, "")
	must(t, w.Close())
	must(t, z.Close())

	s := newStage(t)
	rep, err := s.extract(buf.Bytes(), Options{})
	must(t, err)
	sameTree(t, s.tree(), files{
		"venv": "dir", "venv/pyvenv.cfg": "file home = /usr/bin", "venv/bin": "dir", "venv/lib64": "link lib",
		"venv/lib": "dir", "venv/lib/python3": "dir", "venv/lib/python3/site.py": "file import sys",
		"target": "dir", "target/debug": "dir", "target/debug/deps": "dir",
		"target/debug/deps/app-0123": "exec ELF", "target/debug/app": "exec ELF",
	})
	s.counted(rep)
	s.same(buf.Bytes(), rep)
	want := []Omission{
		{"venv/bin/python", "/usr/bin/python3", "the target is an absolute path"},
		{"venv/bin/python3", "python", "the target leads outside through another link"},
	}
	if !slices.Equal(rep.Omitted, want) {
		t.Errorf("omitted %+v", rep.Omitted)
	}
	fi, err := os.Stat(filepath.Join(s.base, "stage/venv/pyvenv.cfg"))
	must(t, err)
	if !fi.ModTime().Equal(time.Unix(stamp, 123456789)) {
		t.Errorf("time %v lost its nanoseconds", fi.ModTime())
	}
	a, err := os.Stat(filepath.Join(s.base, "stage/target/debug/app"))
	must(t, err)
	b, err := os.Stat(filepath.Join(s.base, "stage/target/debug/deps/app-0123"))
	must(t, err)
	if !os.SameFile(a, b) {
		t.Error("the hard link is a file of its own")
	}
}

func TestAbsoluteNamesAreListed(t *testing.T) {
	s := newStage(t)
	rep, err := s.extract(tarOf(file("/etc/passwd", "1"), file("ok", "2")), Options{})
	must(t, err)
	if !slices.Equal(rep.StrippedAbsolute, []string{"/etc/passwd"}) || rep.StrippedAbsoluteCount != 1 {
		t.Errorf("report says %+v", rep)
	}
}

func TestListsInTheReportAreCappedAndCountsAreNot(t *testing.T) {
	var hs []hdr
	for i := range 150 {
		hs = append(hs, link(fmt.Sprintf("/l%d", i), "/etc"))
	}
	rep, err := newStage(t).extract(tarOf(hs...), Options{})
	must(t, err)
	if len(rep.Omitted) != maxListed || rep.OmittedCount != 150 || len(rep.StrippedAbsolute) != maxListed || rep.StrippedAbsoluteCount != 150 {
		t.Errorf("lists %d and %d, counts %d and %d", len(rep.Omitted), len(rep.StrippedAbsolute), rep.OmittedCount, rep.StrippedAbsoluteCount)
	}
}

func TestDirectoriesKeepTheirTimesAfterTheirContent(t *testing.T) {
	s := newStage(t)
	_, err := s.extract(tarOf(hdr{name: "d", typ: '5', time: 1000}, hdr{name: "d/e", typ: '5', time: 2000}, file("d/e/f", "1"), link("d/l", "e")), Options{})
	must(t, err)
	for p, want := range map[string]int64{"d": 1000, "d/e": 2000, "d/e/f": stamp} {
		fi, err := os.Stat(filepath.Join(s.base, "stage", p))
		must(t, err)
		if fi.ModTime().Unix() != want {
			t.Errorf("%s has the time %d, want %d", p, fi.ModTime().Unix(), want)
		}
	}
}

func TestModesDoNotDependOnTheUmask(t *testing.T) {
	old := syscall.Umask(0o077) // no other test of this package runs meanwhile
	defer syscall.Umask(old)
	s := newStage(t)
	_, err := s.extract(tarOf(file("d/f", "1"), hdr{name: "d/x", mode: 0o700}), Options{})
	must(t, err)
	sameTree(t, s.tree(), files{"d": "dir", "d/f": "file 1", "d/x": "exec "})
}

// Holes are not written, and everything counts what is there.
func TestSparseFilesKeepTheirHoles(t *testing.T) {
	const size = 8 << 20
	body := strings.Repeat("data", 2048) // two blocks
	h := hdr{name: "image", body: body, pax: map[string]string{
		"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": fmt.Sprint(size),
		"GNU.sparse.numblocks": "1", "GNU.sparse.map": fmt.Sprintf("%d,%d", 1<<20, len(body))}}
	var reserved int64
	s := newStage(t)
	rep, err := s.extract(tarOf(h), Options{Reserve: func(b, _ int64) error { reserved += b; return nil }})
	must(t, err)
	s.counted(rep)
	s.same(tarOf(h), rep)
	if rep.Bytes != size || rep.DiskBytes != 8192 || reserved > leastBytes {
		t.Errorf("report %+v, reserved %d", rep, reserved)
	}
	got, err := os.ReadFile(filepath.Join(s.base, "stage/image"))
	must(t, err)
	want := make([]byte, size)
	copy(want[1<<20:], body)
	if !bytes.Equal(got, want) {
		t.Error("the content is another one")
	}
}

// Go's own zip writer and reader are a second opinion on ordinary archives.
func TestGoZipRoundTrip(t *testing.T) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := range 70_000 { // more than 16 bits of entries
		h := zip.FileHeader{Name: fmt.Sprintf("d%d/f%d", i%7, i), Method: zip.Store}
		if i%10_000 == 0 {
			h.Method = zip.Deflate
		}
		f, err := w.CreateHeader(&h)
		must(t, err)
		if i%10_000 == 0 {
			_, err := io.WriteString(f, "content")
			must(t, err)
		}
	}
	must(t, w.Close())
	rep, err := Inspect(t.Context(), bytes.NewReader(buf.Bytes()), int64(buf.Len()), Options{})
	must(t, err)
	if rep.Files != 70_000 || rep.Dirs != 7 || rep.Bytes != 7*int64(len("content")) {
		t.Errorf("report %+v", rep)
	}
}

// A cut anywhere is an error, never a smaller tree; one wrong byte is an error
// or changes nothing.
func TestDamageAnywhereIsNoticed(t *testing.T) {
	content := tarOf(dir("d"), file("d/a", strings.Repeat("some text ", 20)), file("b", "2"), link("l", "b"), hard("h", "b"))
	bz, err := os.ReadFile("testdata/tree.tar.bz2")
	must(t, err)
	members := zipOf(zent{name: "d/", mode: unixDir | 0o755}, zfile("b", "2"), zent{name: "a", body: "aaaaaaaa", packed: deflated("aaaaaaaa"), method: 8})
	for name, b := range (blobs{"tar": content, "gzip": gz(content), "xz": xzOf(xzBlock{content, 0}), "zstd": zst(content), "lz4": lz(content), "bzip2": bz, "zip": members}) {
		t.Run(name, func(t *testing.T) {
			whole, err := Inspect(t.Context(), bytes.NewReader(b), int64(len(b)), Options{Policy: Tar})
			must(t, err)
			step := 1 + len(b)/700 // every place of what is small
			for cut := 0; cut < len(b); cut += step {
				if name == "tar" && cut >= len(b)-tarBlock {
					continue // one zero block is an end
				}
				if rep, err := Inspect(t.Context(), bytes.NewReader(b), int64(cut), Options{Policy: Tar}); err == nil && rep.Files+rep.Dirs > 0 {
					t.Fatalf("cut after %d of %d bytes: accepted as %+v", cut, len(b), rep)
				}
			}
			if name == "tar" || name == "zip" {
				return // names, modes and times have no checksum there, or one that some bytes escape
			}
			for at := 0; at < len(b); at += step {
				wrong := slices.Clone(b)
				wrong[at] ^= 0x10
				rep, err := Inspect(t.Context(), bytes.NewReader(wrong), int64(len(wrong)), Options{Policy: Tar})
				if err == nil && fmt.Sprint(rep) != fmt.Sprint(whole) {
					t.Fatalf("byte %d wrong: accepted as %+v", at, rep)
				}
			}
		})
	}
}

type blobs = map[string][]byte

func TestAnErrorOfTheSourceIsReturnedAsItIs(t *testing.T) {
	broken := errors.New("the disk is on fire")
	for name, b := range (blobs{"tar": tarOf(file("a", strings.Repeat("x", 1<<20))), "gzip": gz(noise(1 << 20)), "zstd": zst(noise(1 << 20)), "lz4": lz(noise(1 << 20)), "xz": xzWhole(noise(1 << 20)), "zip": zipOf(zfile("a", strings.Repeat("x", 1<<20)), zfile("b", ""))}) {
		t.Run(name, func(t *testing.T) {
			at := int64(len(b)) / 2
			if name == "zip" {
				at = 100
			}
			src := failingReader{bytes.NewReader(b), at, broken}
			_, err := Extract(t.Context(), src, int64(len(b)), newStage(t).root, Options{Policy: Tar})
			if err != broken {
				t.Errorf("got %v", err)
			}
			if _, err := Detect(failingReader{bytes.NewReader(b), 0, broken}, int64(len(b)), Auto, Limits{}); err != broken {
				t.Errorf("Detect: got %v", err)
			}
		})
	}
}

// noise is a tar of one file of n bytes that do not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return tarOf(file("noise", string(b)))
}

func TestASourceShorterThanItsSizeIsAnErrorOfTheSource(t *testing.T) {
	b := tarOf(file("a", strings.Repeat("x", 5000)))
	_, err := Extract(t.Context(), bytes.NewReader(b[:3000]), int64(len(b)), newStage(t).root, Options{})
	if err != io.ErrUnexpectedEOF {
		t.Errorf("got %v", err)
	}
}

// cancelling cancels when the reader has passed a point.
type cancelling struct {
	r      io.ReaderAt
	at     int64
	cancel func()
}

func (c cancelling) ReadAt(p []byte, off int64) (int, error) {
	if off >= c.at {
		c.cancel()
	}
	return c.r.ReadAt(p, off)
}

func TestCancellingStopsWithinABuffer(t *testing.T) {
	for name, b := range (blobs{"tar": noise(8 << 20), "zstd": zst(noise(8 << 20))}) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var last int64
			_, err := Extract(ctx, cancelling{bytes.NewReader(b), 1 << 20, cancel}, int64(len(b)), newStage(t).root,
				Options{Progress: func(n int64) { last = n }})
			if err != context.Canceled || last > 2<<20 {
				t.Errorf("got %v after %d bytes", err, last)
			}
		})
	}
	t.Run("in the middle of a bomb that reads nothing more", func(t *testing.T) {
		bomb := zst(append(entriesOf(hdr{name: "z", size: 4 << 30}), make([]byte, 64<<20)...))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		// The context ends with the first read: all is still to be unpacked then,
		// and the few kilobytes that it is packed in need no other read.
		_, err := Inspect(ctx, cancelling{bytes.NewReader(bomb), 0, cancel}, int64(len(bomb)), Options{Limits: Limits{RatioFloor: 1 << 40}})
		if err != context.Canceled || time.Since(began) > 10*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

func TestReserveIsAskedBeforehandAndRarely(t *testing.T) {
	var hs []hdr
	for i := range 3000 {
		hs = append(hs, file(fmt.Sprintf("d%d/f%d", i%10, i), "some content"))
	}
	hs = append(hs, file("big", strings.Repeat("x", 3<<20)), link("long", strings.Repeat("x", 70)))
	var bytesGot, inodesGot, calls int64
	s := newStage(t)
	rep, err := s.extract(tarOf(hs...), Options{Reserve: func(b, i int64) error {
		if b < 0 || i < 0 || b == 0 && i == 0 {
			t.Errorf("asked for %d bytes and %d inodes", b, i)
		}
		calls++
		bytesGot += b
		inodesGot += i
		return nil
	}})
	must(t, err)
	s.counted(rep)
	if bytesGot < rep.DiskBytes || inodesGot < rep.Inodes || bytesGot > 3*rep.DiskBytes || inodesGot > 3*rep.Inodes || calls > 20 {
		t.Errorf("reserved %d bytes, %d inodes in %d calls; made %d and %d", bytesGot, inodesGot, calls, rep.DiskBytes, rep.Inodes)
	}

	full := errors.New("full")
	s = newStage(t)
	if _, err := s.extract(tarOf(hs...), Options{Reserve: func(int64, int64) error { return full }}); err != full {
		t.Errorf("got %v", err)
	}
	if tree := s.tree(); len(tree) != 0 {
		t.Errorf("made %v without a reservation", tree)
	}
}

func TestProgressGrowsToTheSize(t *testing.T) {
	for name, b := range (blobs{"tar": noise(2 << 20), "gzip": gz(noise(2 << 20)), "zip": zipOf(zfile("a", strings.Repeat("x", 1<<20)), zfile("b", strings.Repeat("x", 1<<20)))}) {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			last, calls := int64(0), 0
			_, err := newStage(t).extract(b, Options{Progress: func(n int64) {
				mu.Lock()
				defer mu.Unlock()
				if n < 0 || n > int64(len(b)) {
					t.Errorf("%d of %d", n, len(b))
				}
				last = max(last, n)
				calls++
			}})
			must(t, err)
			if calls < 5 || last < int64(len(b))*9/10 {
				t.Errorf("%d calls, the last with %d of %d", calls, last, len(b))
			}
		})
	}
}
