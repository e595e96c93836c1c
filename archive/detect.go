package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/cordonlabs/cordon"
)

// probeBytes is how much of a compressed object is read, at most, to see
// whether it is a tar, in bytes. The first kilobyte of content needs one block
// of the compression format; the largest, of bzip2 and lz4, stay far below.
const probeBytes = 32 << 20

// maxEmptyTar is the longest run of zeros, in bytes, that counts as a tar
// without entries when it is compressed: the 20 blocks that tar and most
// libraries pad to. What is longer is data that happens to be zero.
const maxEmptyTar = 20 * tarBlock

// Detect recognises what the object of size bytes in src is, by its content
// and never by a name (CONTRACT §5). It reads little, and is as safe as
// Extract. Under Tar, anything but an archive is an ArchiveRejected error; an
// error of src is returned as it is.
//
// Of limits only DecoderMemory counts here; zero fields mean the defaults.
//
// Decisions on the border: what begins like an archive is one, even if it is
// broken further on, so that Extract can say what is wrong. A compressed file
// whose content is not a tar is a file. Zeros are a tar without entries if they
// are compressed and at most 10 KiB, as uploaders pack an empty folder; zeros
// that are not compressed are a file under Auto.
func Detect(src io.ReaderAt, size int64, p Policy, limits Limits) (Format, error) {
	s := newSource(context.Background(), src, size)
	defer s.close()
	f, err := detect(s, p, limits.withDefaults())
	if err := s.err(); err != nil {
		return Format{}, err
	}
	return f, err
}

func detect(s *source, p Policy, l Limits) (Format, error) {
	if p == Never {
		return Format{}, nil
	}
	head := make([]byte, min(tarBlock, s.size))
	if _, err := s.ReadAt(head, 0); err != nil && err != io.EOF {
		return Format{}, err
	}
	f := recognise(s, head, p, l)
	if p == Tar && !f.IsArchive() {
		return Format{}, &cordon.Error{
			Kind: cordon.ArchiveRejected,
			Op:   "extract",
			Err:  errors.New("the object is not an archive"),
			Fix:  "upload a tar (also gzip, bzip2, xz, zstd or lz4) or zip archive, or set `extract: auto` or `never`",
		}
	}
	return f, nil
}

func recognise(s *source, head []byte, p Policy, l Limits) Format {
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06")) {
		if p == Auto || p == "" {
			if isZipBasedFile(s, l) {
				return Format{}
			}
		}
		return Format{container: zipArchive}
	}
	if isTarHeader(head) {
		return Format{container: tarArchive}
	}
	if p == Tar && s.size >= 2*tarBlock && s.size <= maxEmptyTar && s.size%tarBlock == 0 {
		all := make([]byte, s.size)
		if _, err := s.ReadAt(all, 0); (err == nil || err == io.EOF) && allZero(all) {
			return Format{container: tarArchive}
		}
	}
	if c := compressionOf(s, head); c != uncompressed && holdsTar(s, c, l) {
		return Format{container: tarArchive, compression: c}
	}
	return Format{}
}

// compressionOf tells the compression by its magic number.
func compressionOf(s *source, head []byte) compression {
	// zstd and lz4 files may begin with frames that hold no content and look the
	// same in both. A writer adds one or two.
	for off, frames := int64(0), 0; isSkippable(head) && frames < 16; frames++ {
		off += 8 + int64(binary.LittleEndian.Uint32(head[4:]))
		head = make([]byte, 8)
		n, err := s.ReadAt(head, off)
		if err != nil && err != io.EOF {
			return uncompressed
		}
		head = head[:n]
	}
	magic := func(m string) bool { return bytes.HasPrefix(head, []byte(m)) }
	switch {
	case magic("\x1f\x8b\x08"):
		return gzipped
	case magic("BZh") && len(head) >= 10 && head[3] >= '1' && head[3] <= '9' &&
		(string(head[4:10]) == "1AY&SY" || string(head[4:10]) == "\x17rE8P\x90"):
		return bzipped
	case magic("\xfd7zXZ\x00"):
		return xzipped
	case magic("\x28\xb5\x2f\xfd"):
		return zstandard
	case magic("\x04\x22\x4d\x18"), magic("\x02\x21\x4c\x18"):
		return lz4Framed
	}
	return uncompressed
}

func isSkippable(head []byte) bool {
	return len(head) >= 8 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18"
}

// holdsTar decompresses the beginning and looks for a tar header. Where the
// limit on decoder memory forbids that, it says yes: Extract will name the limit,
// which serves its owner better than a file that was meant to be a tree.
func holdsTar(s *source, c compression, l Limits) bool {
	content := make([]byte, maxEmptyTar+1)
	n := 0
	err := guarded(func() error {
		r, free, err := decompress(s.section(0, min(s.size, probeBytes)), c, l.DecoderMemory, true)
		defer free()
		if err != nil {
			return err
		}
		n, err = io.ReadAtLeast(r, content, tarBlock)
		if err == nil && allZero(content[:n]) {
			var more int
			more, err = io.ReadFull(r, content[n:])
			n += more
		}
		return err
	})
	content = content[:n]
	if isTarHeader(content) {
		return true
	}
	if err != nil && cordon.KindOf(damaged("", err, l.DecoderMemory)) == cordon.TargetTooLarge {
		return true
	}
	ended := err == io.EOF || err == io.ErrUnexpectedEOF
	return ended && n >= 2*tarBlock && n%tarBlock == 0 && allZero(content)
}

// isTarHeader reports whether b begins with the header of a tar entry: one with
// the magic of any format since 1988, or an older one whose checksum is right.
func isTarHeader(b []byte) bool {
	if len(b) < tarBlock {
		return false
	}
	b = b[:tarBlock]
	if string(b[257:262]) == "ustar" {
		return true
	}
	if b[0] == 0 {
		return false // no name
	}
	const sumAt, sumEnd = 148, 156 // the field counts as spaces
	var unsigned, signed int64     // old writers added up signed characters
	for i, c := range b {
		if i >= sumAt && i < sumEnd {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	var want int64
	digits := bytes.Trim(b[sumAt:sumEnd], " \x00")
	if len(digits) == 0 {
		return false
	}
	for _, c := range digits {
		if c < '0' || c > '7' {
			return false
		}
		want = want<<3 | int64(c-'0')
	}
	return want == unsigned || want == signed
}
