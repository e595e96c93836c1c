package archive

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
)

// fuzzLimits are low, so that the fuzzer meets them.
var fuzzLimits = Limits{
	Bytes: 1 << 20, Inodes: 50, RatioFloor: 1 << 20, Ratio: 10, Depth: 10, NameLen: 100, PathLen: 300,
	LinkBytes: 1000, LinkSteps: 1000, DecoderMemory: 1 << 20,
}

// harmless extracts b and checks what is promised of any bytes.
func harmless(t *testing.T, b []byte) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	s := newStage(t)
	before := s.outside()
	rep, err := Extract(ctx, bytes.NewReader(b), int64(len(b)), s.root, Options{Policy: Tar, Limits: fuzzLimits})
	if after := s.outside(); after != before {
		t.Fatalf("the world outside changed:\n%s\n%s", before, after)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatal("it does not end")
	}
	var inodes, size int
	for p, what := range s.tree() {
		inodes++
		if content, ok := strings.CutPrefix(what, "file "); ok {
			size += len(content)
		}
		if strings.HasPrefix(what, "FORBIDDEN") {
			t.Fatalf("%q is %s", p, what)
		}
		if strings.HasPrefix(what, "link ") {
			if _, err := s.root.Stat(p); err != nil && strings.Contains(err.Error(), "escapes") {
				t.Fatalf("%q leads outside: %s", p, what)
			}
		}
	}
	if inodes > int(fuzzLimits.Inodes) || size > int(fuzzLimits.Bytes) {
		t.Fatalf("%d inodes and %d bytes were made", inodes, size)
	}
	dry, dryErr := Inspect(ctx, bytes.NewReader(b), int64(len(b)), Options{Policy: Tar, Limits: fuzzLimits})
	if err != nil {
		switch cordon.KindOf(err) {
		case cordon.ArchiveRejected, cordon.TargetTooLarge:
		default:
			t.Fatalf("an error without a kind for hostile bytes: %v", err)
		}
		if dryErr == nil {
			t.Fatalf("Inspect accepts what Extract does not: %v", err)
		}
		return
	}
	if dryErr != nil || dry.Inodes != rep.Inodes || dry.OmittedCount != rep.OmittedCount {
		t.Fatalf("Inspect says %+v, %v; Extract says %+v", dry, dryErr, rep)
	}
	s.counted(rep)
}

func FuzzExtractTar(f *testing.F) {
	for _, c := range tarHostile() {
		if len(c.bytes) < 20<<10 {
			f.Add(c.bytes)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { harmless(t, fixSums(b)) })
}

// fixSums makes the checksums right of what may be headers, without which the
// fuzzer would hardly get past the first one.
func fixSums(b []byte) []byte {
	b = bytes.Clone(b)
	for at := 0; at+tarBlock <= len(b); at += tarBlock {
		h := b[at : at+tarBlock]
		if string(h[257:262]) != "ustar" {
			continue
		}
		copy(h[148:156], "        ")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		for i := 5; i >= 0; i-- {
			h[148+i] = byte('0' + sum&7)
			sum >>= 3
		}
		h[154] = 0
	}
	return b
}

func FuzzExtractZip(f *testing.F) {
	for _, c := range zipHostile() {
		if len(c.bytes) < 20<<10 {
			f.Add(c.bytes)
		}
	}
	f.Fuzz(harmless)
}

func FuzzXZ(f *testing.F) {
	good := tarOf(file("a", "1"), link("l", "a"))
	f.Add(xzWhole(good))
	f.Add(xzOf(xzBlock{good[:600], 0}, xzBlock{good[600:], 36}))
	f.Add(xzOf(xzBlock{good, 40}))
	f.Add(append(xzWhole(good), xzOf(xzBlock{good, 36})...))
	f.Fuzz(harmless)
}

func FuzzCompressed(f *testing.F) {
	good := tarOf(file("a", "1"), link("l", "a"))
	f.Add(gz(good))
	f.Add(zst(good))
	f.Add(lz(good))
	if bz, err := os.ReadFile("testdata/tree.tar.bz2"); err == nil {
		f.Add(bz)
	}
	f.Fuzz(harmless)
}

func FuzzDetect(f *testing.F) {
	good := tarOf(file("a", "1"))
	for _, b := range [][]byte{nil, good, gz(good), zst(good), lz(good), xzWhole(good), zipOf(zfile("[Content_Types].xml", "")), make([]byte, 1024), []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00abcd")} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		format, err := Detect(bytes.NewReader(b), int64(len(b)), Auto, Limits{})
		if err != nil {
			t.Fatalf("under Auto everything is something: %v", err)
		}
		strict, err := Detect(bytes.NewReader(b), int64(len(b)), Tar, Limits{})
		switch {
		case err != nil && cordon.KindOf(err) != cordon.ArchiveRejected:
			t.Fatalf("an error of another kind: %v", err)
		case format.IsArchive() && (err != nil || strict != format):
			t.Fatalf("Auto says %v, Tar says %v, %v", format, strict, err)
		}
	})
}
