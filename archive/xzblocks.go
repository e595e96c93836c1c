package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"hash/maphash"
	"io"
	"math"
	"slices"

	"github.com/mikelolasagasti/xz"
)

// Blocks of an xz file are decoded apart if they say how long they are and are
// small enough to be kept whole: those that "xz -T" makes, of 24 MiB at its
// default level. With two under way, each of at most 32 MiB in both forms
// together and a quarter more for how memory is given, 80 MiB are needed at the
// most, besides each decoder's dictionary.
const (
	maxBlock     = 32 << 20 // bytes
	blocksAtOnce = 2
)

const (
	xzHeaderLen, xzFooterLen   = 12, 12
	xzHeaderMagic              = "\xfd7zXZ\x00"
	xzFooterMagic              = "YZ"
	xzPackedSize, xzUnpackSize = 1 << 6, 1 << 7 // flags of a block's header
)

// xzCheckLen is how many bytes the check of a block has, by its kind.
var xzCheckLen = [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}

// xzBlocks cuts an xz file into its blocks, and checks all that is around them:
// the .xz file format, version 1.2.1. Each block goes to the decoder as a file of
// its own.
type xzBlocks struct {
	src    *source
	br     *bufio.Reader
	pos    int64 // in src, of br
	memory int64

	// Of the present stream:
	within bool
	header [xzHeaderLen]byte
	start  int64 // in src
	passed int64 // bytes of content that were handed out
	blocks uint64
	sizes  maphash.Hash // of what the index must say
}

// readBlocks starts decoding the file that src holds. No decoder allocates a
// dictionary above memory bytes.
func readBlocks(src *source, memory int64) *pieces {
	z := &xzBlocks{src: src, br: bufio.NewReaderSize(src.section(0, src.size), readBuffer), memory: memory}
	return readPieces(z, blocksAtOnce, maxBlock+maxBlock/4)
}

func (z *xzBlocks) cut(p *piece) (rest io.Reader, free func(), err error) {
	for {
		if !z.within {
			if err := z.begin(); err != nil {
				return nil, nil, err
			}
			if !z.within {
				return z.stream()
			}
		}
		first, err := z.br.Peek(1)
		if err != nil {
			return nil, nil, noEOF(err)
		}
		if first[0] != 0 {
			ok, err := z.block(p, 4*(int(first[0])+1))
			if err == nil && !ok {
				return z.stream()
			}
			return nil, nil, err
		}
		if err := z.end(); err != nil {
			return nil, nil, err
		}
		z.within = false
	}
}

// begin reads the header of the stream that comes next, past padding. What is no
// header is the decoder's to judge. io.EOF is the end of the file.
func (z *xzBlocks) begin() error {
	z.start, z.passed = z.pos, 0
	for z.pos > 0 {
		pad, err := z.br.Peek(4)
		if len(pad) == 0 {
			return err
		}
		if string(pad) != "\x00\x00\x00\x00" {
			break
		}
		z.skip(4)
	}
	head, err := z.br.Peek(xzHeaderLen)
	if err != nil && err != io.EOF {
		return err
	}
	if len(head) < xzHeaderLen || string(head[:6]) != xzHeaderMagic || head[6] != 0 || head[7] > 15 || le.Uint32(head[8:]) != crc32.ChecksumIEEE(head[6:8]) {
		return nil
	}
	z.within, z.start, z.blocks = true, z.pos, 0
	copy(z.header[:], head)
	z.skip(xzHeaderLen)
	z.sizes.Reset()
	return nil
}

// skip goes past n bytes that were peeked at.
func (z *xzBlocks) skip(n int) {
	_, _ = z.br.Discard(n) // they are in the buffer
	z.pos += int64(n)
}

// stream decodes from the beginning of the present stream on, without what was
// handed out of it: the decoder wants to see all that the index tells of.
func (z *xzBlocks) stream() (io.Reader, func(), error) {
	r, free, err := decompress(z.src.section(z.start, z.src.size-z.start), xzipped, z.memory, false)
	return &laterPart{src: z.src, r: r, skip: z.passed}, free, err
}

// laterPart is a reader without its first bytes.
type laterPart struct {
	src  *source
	r    io.Reader
	skip int64
}

func (l *laterPart) Read(p []byte) (int, error) {
	for l.skip > 0 {
		if err := l.src.ctx.Err(); err != nil {
			return 0, err // content may be much longer than what it is decoded from
		}
		n, err := io.CopyN(io.Discard, l.r, min(l.skip, pieceStep))
		if l.skip -= n; err != nil {
			return 0, noEOF(err)
		}
	}
	return l.r.Read(p)
}

// pieceStep is how much is decoded between two looks at whether it is still
// wanted, in bytes: some hundredths of a second.
const pieceStep = 1 << 20

// block puts the block that comes next, whose header has n bytes, into p as a
// file of its own. It reports false if it must be decoded with the others.
func (z *xzBlocks) block(p *piece, n int) (ok bool, err error) {
	head, err := z.br.Peek(n)
	if err != nil {
		return false, noEOF(err)
	}
	if head[1]&(xzPackedSize|xzUnpackSize) != xzPackedSize|xzUnpackSize {
		return false, nil
	}
	packed, k := binary.Uvarint(head[2 : n-4])
	size, l := binary.Uvarint(head[2+max(k, 0) : n-4])
	if k <= 0 || l <= 0 || packed > maxBlock || size > maxBlock || packed+size > maxBlock {
		return false, nil
	}
	check := xzCheckLen[z.header[7]]
	unpadded := n + int(packed) + check
	total := n + (int(packed)+3)/4*4 + check
	const around = 64 // bytes, at least, of the header, the index and the footer
	p.packed = append(slices.Grow(p.packed[:0], total+around), z.header[:]...)
	p.packed, err = take(z.br, p.packed, total, maxBlock)
	z.pos += int64(total)
	if err != nil {
		return false, err
	}
	record := xzRecord(unpadded, int(size))
	_, _ = z.sizes.Write(record) // a hash never fails
	z.blocks++
	z.passed += int64(size)
	p.size = int(size)
	p.packed = z.index(p.packed, record)
	return true, nil
}

// xzRecord is what an index says of a block.
func xzRecord(unpadded, size int) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(unpadded)), uint64(size))
}

// index appends an index of one block, and a footer.
func (z *xzBlocks) index(b, record []byte) []byte {
	at := len(b)
	b = append(append(b, 0, 1), record...)
	for (len(b)-at)%4 != 0 {
		b = append(b, 0)
	}
	b = le.AppendUint32(b, crc32.ChecksumIEEE(b[at:]))
	backward := le.AppendUint32(nil, uint32((len(b)-at)/4-1))
	backward = append(backward, z.header[6:8]...)
	b = le.AppendUint32(b, crc32.ChecksumIEEE(backward))
	return append(append(b, backward...), xzFooterMagic...)
}

// end reads the index and the footer of the present stream, which must tell of
// the blocks that were there.
func (z *xzBlocks) end() error {
	index := &xzIndex{br: z.br, sum: crc32.NewIEEE()}
	if _, err := index.ReadByte(); err != nil { // it was peeked at
		return noEOF(err)
	}
	blocks, err := binary.ReadUvarint(index)
	if err != nil {
		return xzDamage(err)
	}
	if blocks != z.blocks {
		return xz.ErrData
	}
	var said maphash.Hash
	said.SetSeed(z.sizes.Seed())
	for range blocks {
		unpadded, err := binary.ReadUvarint(index)
		if err != nil {
			return xzDamage(err)
		}
		size, err := binary.ReadUvarint(index)
		if err != nil {
			return xzDamage(err)
		}
		if unpadded > math.MaxInt32 || size > math.MaxInt32 {
			return xz.ErrData
		}
		_, _ = said.Write(xzRecord(int(unpadded), int(size))) // a hash never fails
	}
	if said.Sum64() != z.sizes.Sum64() {
		return xz.ErrData
	}
	for index.n%4 != 0 {
		if pad, err := index.ReadByte(); err != nil || pad != 0 {
			return xzDamage(err)
		}
	}
	sum := index.sum.Sum32()
	var tail [4 + xzFooterLen]byte
	if _, err := io.ReadFull(z.br, tail[:]); err != nil {
		return noEOF(err)
	}
	z.pos += index.n + int64(len(tail))
	footer := tail[4:]
	if le.Uint32(tail[:]) != sum || string(footer[10:]) != xzFooterMagic || le.Uint32(footer) != crc32.ChecksumIEEE(footer[4:10]) ||
		!bytes.Equal(footer[8:10], z.header[6:8]) || 4*(int64(le.Uint32(footer[4:]))+1) != index.n+4 {
		return xz.ErrData
	}
	return nil
}

// xzDamage is the error of an index that cannot be read.
func xzDamage(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return io.ErrUnexpectedEOF
	}
	return xz.ErrData
}

// xzIndex reads an index.
type xzIndex struct {
	br  *bufio.Reader
	n   int64
	sum interface {
		io.Writer
		Sum32() uint32
	}
}

// ReadByte implements io.ByteReader.
func (x *xzIndex) ReadByte() (byte, error) {
	b, err := x.br.ReadByte()
	if err == nil {
		x.n++
		_, _ = x.sum.Write([]byte{b}) // a hash never fails
	}
	return b, err
}

func (z *xzBlocks) decoder() (func(*piece) error, func(), error) {
	// The dictionary's size is checked before it is allocated, as in decompress.
	d, err := xz.NewReader(nil, uint32(min(z.memory, math.MaxUint32)))
	if err != nil {
		return nil, nil, err
	}
	decode := func(p *piece) error {
		if err := d.Reset(bytes.NewReader(p.packed)); err != nil {
			return err
		}
		p.content = p.content[:p.size]
		for at := 0; at < p.size && !p.unwanted(); {
			n, err := io.ReadFull(d, p.content[at:min(at+pieceStep, p.size)])
			if at += n; err != nil {
				return xzDamageOr(err)
			}
		}
		var more [1]byte
		switch n, err := d.Read(more[:]); {
		case n > 0:
			return xz.ErrData
		case err != io.EOF:
			return xzDamageOr(err)
		}
		return nil
	}
	return decode, func() {}, nil
}

// xzDamageOr returns err, but that of a block which holds less than it says.
func xzDamageOr(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return xz.ErrData
	}
	return err
}
