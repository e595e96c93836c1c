package archive

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// hdr is one entry of a tar archive, with every field free to be wrong.
type hdr struct {
	name string
	typ  byte // 0 means '0', a regular file
	link string
	body string
	mode int64             // 0 means 0644
	time int64             // Unix seconds; 0 means stamp
	pax  map[string]string // an extended header before it
	long bool              // name by a GNU long name entry
	size int64             // what the header says, if not the body's length
	raw  func(b []byte)    // last changes, before the checksum
	sum  int               // added to the checksum
	v7   bool              // no magic
}

const stamp = 1_600_000_000

func file(name, body string) hdr      { return hdr{name: name, body: body} }
func dir(name string) hdr             { return hdr{name: name, typ: '5', mode: 0o755} }
func link(name, target string) hdr    { return hdr{name: name, typ: '2', link: target, mode: 0o777} }
func hard(name, target string) hdr    { return hdr{name: name, typ: '1', link: target} }
func special(name string, t byte) hdr { return hdr{name: name, typ: t} }

func (h hdr) block() []byte {
	b := make([]byte, tarBlock)
	put := func(at int, s string) { copy(b[at:], s) }
	copy(b[:100], h.name)
	mode := h.mode
	if mode == 0 {
		mode = 0o644
	}
	modified := h.time
	if modified == 0 {
		modified = stamp
	}
	size := h.size
	if size == 0 {
		size = int64(len(h.body))
	}
	put(100, fmt.Sprintf("%07o\x00", mode))
	put(108, "0001750\x000001750\x00")
	put(124, fmt.Sprintf("%011o\x00", size))
	if modified < 0 {
		b[136] = 0xff // base-256
		for i := 137; i < 140; i++ {
			b[i] = 0xff
		}
		binary.BigEndian.PutUint64(b[140:], uint64(modified))
	} else {
		put(136, fmt.Sprintf("%011o", modified))
	}
	b[156] = h.typ
	if h.typ == 0 {
		b[156] = '0'
	}
	copy(b[157:257], h.link)
	if !h.v7 {
		put(257, "ustar\x0000")
		put(265, "user")
		put(297, "user")
		put(329, "0000000\x000000000\x00")
	}
	if h.raw != nil {
		h.raw(b)
	}
	copy(b[148:156], "        ")
	sum := h.sum
	for _, c := range b {
		sum += int(c)
	}
	put(148, fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func pad(b []byte) []byte { return append(b, make([]byte, (tarBlock-len(b)%tarBlock)%tarBlock)...) }

func paxRecords(m map[string]string) string {
	var out strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		rest := " " + k + "=" + m[k] + "\n"
		n := len(rest) + 1
		for len(fmt.Sprint(n))+len(rest) != n {
			n++
		}
		fmt.Fprint(&out, n, rest)
	}
	return out.String()
}

func (h hdr) bytes() []byte {
	var out []byte
	if h.pax != nil {
		out = append(out, hdr{name: "PaxHeaders/x", typ: 'x', body: paxRecords(h.pax)}.bytes()...)
	}
	if h.long {
		out = append(out, hdr{name: "././@LongLink", typ: 'L', body: h.name + "\x00"}.bytes()...)
	}
	out = append(out, h.block()...)
	return append(out, pad([]byte(h.body))...)
}

// entriesOf is the entries without an end.
func entriesOf(hs ...hdr) []byte {
	var out []byte
	for _, h := range hs {
		out = append(out, h.bytes()...)
	}
	return out
}

func tarOf(hs ...hdr) []byte { return append(entriesOf(hs...), make([]byte, 2*tarBlock)...) }

func gz(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zst(b []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(b, nil)
}

func lz(b []byte) []byte {
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb)); err != nil {
		panic(err)
	}
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// xzBlock is one block of an xz stream: content in uncompressed LZMA2 chunks,
// with any dictionary size declared.
type xzBlock struct {
	content []byte
	dict    byte // 0 is 4 KiB, 16 is 1 MiB, 28 is 64 MiB, 36 is 1 GiB, 40 is 4 GiB
}

func vli(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// xzOf is a whole xz stream, with CRC-32 checks.
func xzOf(blocks ...xzBlock) []byte { return xzLike(false, blocks...) }

// xzSized is xzOf with blocks that say how long they are.
func xzSized(blocks ...xzBlock) []byte { return xzLike(true, blocks...) }

func xzLike(sized bool, blocks ...xzBlock) []byte {
	check := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) }
	out := []byte("\xfd7zXZ\x00\x00\x01")
	out = append(out, check(out[6:8])...)
	index := append([]byte{0}, vli(uint64(len(blocks)))...)
	for _, blk := range blocks {
		data := []byte{}
		for rest, control := blk.content, byte(1); len(rest) > 0; control = 2 {
			n := min(len(rest), 1<<16)
			data = append(data, control, byte((n-1)>>8), byte(n-1))
			data = append(data, rest[:n]...)
			rest = rest[n:]
		}
		data = append(data, 0)
		head := []byte{0, 0}
		if sized {
			head[1] = 0xc0
			head = append(append(head, vli(uint64(len(data)))...), vli(uint64(len(blk.content)))...)
		}
		head = append(head, 0x21, 1, blk.dict)
		for len(head)%4 != 0 {
			head = append(head, 0)
		}
		head[0] = byte(len(head) / 4)
		head = append(head, check(head)...)
		unpadded := len(head) + len(data) + 4
		for len(data)%4 != 0 {
			data = append(data, 0)
		}
		out = append(append(append(out, head...), data...), check(blk.content)...)
		index = append(append(index, vli(uint64(unpadded))...), vli(uint64(len(blk.content)))...)
	}
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = append(index, check(index)...)
	out = append(out, index...)
	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, 0, 1)
	out = append(append(out, check(footer)...), footer...)
	return append(out, "YZ"...)
}

func xzWhole(b []byte) []byte { return xzOf(xzBlock{b, 16}) }

// zent is one entry of a zip archive, with every field free to be wrong.
type zent struct {
	name   string
	body   string
	mode   uint32 // of Unix, with type bits; 0 means a regular file with 0644
	host   byte   // 255 means FAT
	method uint16
	packed []byte // what is stored, if not body itself
	flags  uint16
	desc   []byte             // what follows the content
	local  func(head []byte)  // last changes of the local header
	cdir   func(head []byte)  // last changes of the central record
	lname  string             // another name in the local header
	extra  []byte             // in the central record
	lextra []byte             // in the local header
	at     func(i int) uint32 // another offset
}

func zfile(name, body string) zent { return zent{name: name, body: body} }
func zlink(name, target string) zent {
	return zent{name: name, body: target, mode: unixSymlink | 0o777}
}

func zipOf(es ...zent) []byte { return zipWith(nil, es...) }

// zipWith builds a zip; end may change the end record.
func zipWith(end func(b []byte), es ...zent) []byte {
	var out, central []byte
	w16, w32 := binary.LittleEndian.AppendUint16, binary.LittleEndian.AppendUint32
	for i, e := range es {
		offset := uint32(len(out))
		if e.at != nil {
			offset = e.at(i)
		}
		packed := e.packed
		if packed == nil {
			packed = []byte(e.body)
		}
		crc := crc32.ChecksumIEEE([]byte(e.body))
		lname := e.lname
		if lname == "" {
			lname = e.name
		}
		head := []byte(zipLocalSig)
		head = w16(w16(w16(head, 20), e.flags), e.method)
		head = w16(w16(head, 0x6000), 0x5145) // 12:00 on 2020-10-05
		head = w32(w32(w32(head, crc), uint32(len(packed))), uint32(len(e.body)))
		head = w16(w16(head, uint16(len(lname))), uint16(len(e.lextra)))
		head = append(append(head, lname...), e.lextra...)
		if e.local != nil {
			e.local(head)
		}
		out = append(append(append(out, head...), packed...), e.desc...)

		host, mode := e.host, e.mode
		switch host {
		case 0:
			host = zipHostUnix
		case 255:
			host = zipHostFAT
		}
		if mode == 0 {
			mode = unixRegular | 0o644
		}
		c := []byte(zipCentralSig)
		c = append(c, 20, host)
		c = w16(w16(w16(c, 20), e.flags), e.method)
		c = w16(w16(c, 0x6000), 0x5145)
		c = w32(w32(w32(c, crc), uint32(len(packed))), uint32(len(e.body)))
		c = w16(w16(w16(c, uint16(len(e.name))), uint16(len(e.extra))), 0)
		c = w32(w32(w16(w16(c, 0), 0), mode<<16), offset)
		c = append(append(c, e.name...), e.extra...)
		if e.cdir != nil {
			e.cdir(c)
		}
		central = append(central, c...)
	}
	e := []byte(zipEndSig)
	e = w16(w16(e, 0), 0)
	e = w16(w16(e, uint16(len(es))), uint16(len(es)))
	e = w16(w32(w32(e, uint32(len(central))), uint32(len(out))), 0)
	if end != nil {
		end(e)
	}
	return append(append(out, central...), e...)
}

// stage is a private directory to extract into, with neighbours to watch.
type stage struct {
	t    testing.TB
	base string
	root *os.Root
}

func newStage(t testing.TB) *stage {
	base := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(base, "outside/sub"), 0o755))
	must(t, os.WriteFile(filepath.Join(base, "outside/secret"), []byte("secret"), 0o600))
	must(t, os.WriteFile(filepath.Join(base, "outside/sub/script"), []byte("script"), 0o755))
	must(t, os.Mkdir(filepath.Join(base, "stage"), 0o700))
	root, err := os.OpenRoot(filepath.Join(base, "stage"))
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return &stage{t, base, root}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// outside describes everything beside the stage: names, modes, sizes, times,
// links, inode numbers, content. The stage itself counts by its mode and owner.
func (s *stage) outside() string {
	var out strings.Builder
	err := filepath.WalkDir(s.base, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		if path == filepath.Join(s.base, "stage") {
			fmt.Fprintln(&out, path, fi.Mode(), st.Uid)
			return fs.SkipDir
		}
		content := []byte{}
		if fi.Mode().IsRegular() {
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		fmt.Fprintln(&out, path, fi.Mode(), fi.Size(), fi.ModTime(), st.Nlink, st.Ino, st.Ctim, string(content))
		return nil
	})
	must(s.t, err)
	return out.String()
}

// tree describes what was extracted: "dir", "link TARGET", or the mode's
// execute bit and the content of a file.
func (s *stage) tree() map[string]string {
	out := map[string]string{}
	top := filepath.Join(s.base, "stage")
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil || rel == "." {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case fi.Mode() == fs.ModeDir|modeDir:
			out[rel] = "dir"
		case fi.Mode()&fs.ModeType == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			out[rel] = "link " + target
		case fi.Mode() == modeFile || fi.Mode() == modeExec:
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			out[rel] = "file " + string(content)
			if fi.Mode() == modeExec {
				out[rel] = "exec " + string(content)
			}
		default:
			out[rel] = "FORBIDDEN " + fi.Mode().String()
		}
		return nil
	})
	must(s.t, err)
	return out
}

// extract runs Extract and fails the test if anything outside changed.
func (s *stage) extract(b []byte, opts Options) (Report, error) {
	s.t.Helper()
	before := s.outside()
	rep, err := Extract(context.Background(), bytes.NewReader(b), int64(len(b)), s.root, opts)
	if after := s.outside(); after != before {
		s.t.Fatalf("the world outside changed:\nbefore:\n%s\nafter:\n%s", before, after)
	}
	return rep, err
}

// counted checks a report against the tree that was really made.
func (s *stage) counted(rep Report) {
	s.t.Helper()
	var got Report
	got.Format, got.Omitted, got.OmittedCount = rep.Format, rep.Omitted, rep.OmittedCount
	got.Dropped, got.DroppedCount = rep.Dropped, rep.DroppedCount
	got.StrippedAbsolute, got.StrippedAbsoluteCount = rep.StrippedAbsolute, rep.StrippedAbsoluteCount
	seen := map[uint64]bool{}
	top := filepath.Join(s.base, "stage")
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == top {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		switch {
		case fi.IsDir():
			got.Dirs++
			got.DiskBytes += diskBlock
		case fi.Mode().IsRegular() && seen[st.Ino]:
			got.HardLinks++
		case fi.Mode().IsRegular():
			seen[st.Ino] = true
			got.Files++
			got.Bytes += fi.Size()
			got.DiskBytes += allocated(s.t, path)
		default:
			got.Links++
			got.DiskBytes += linkBlocks(strings.Repeat("x", int(fi.Size())))
		}
		return nil
	})
	must(s.t, err)
	got.Inodes = got.Files + got.Dirs + got.Links
	if g, w := fmt.Sprintf("%+v", rep), fmt.Sprintf("%+v", got); g != w {
		s.t.Errorf("the report does not match the tree:\nreport: %s\ntree:   %s", g, w)
	}
}

// allocated is the content of a file in blocks, holes left out, found by
// reading: what the file system says depends on when it allocates.
func allocated(t testing.TB, path string) int64 {
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	fi, err := f.Stat()
	must(t, err)
	var n int64
	for off := int64(0); off < fi.Size(); {
		data, err := f.Seek(off, 3) // SEEK_DATA
		if err != nil {
			break // no more data
		}
		hole, err := f.Seek(data, 4) // SEEK_HOLE
		must(t, err)
		n += blocks(hole - data)
		off = hole
	}
	return n
}

func sameTree(t testing.TB, got, want map[string]string) {
	t.Helper()
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if got[p] != want[p] {
			t.Errorf("%q is %.100q, want %.100q", p, got[p], want[p])
		}
	}
	for _, p := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[p]; !ok {
			t.Errorf("%q was made, as %.100q", p, got[p])
		}
	}
}

// failingReader fails at offset at.
type failingReader struct {
	r   io.ReaderAt
	at  int64
	err error
}

func (f failingReader) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.at {
		return 0, f.err
	}
	return f.r.ReadAt(p, off)
}
