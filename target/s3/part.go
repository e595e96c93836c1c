package s3

import "sync"

// blockSize is the unit in which the bytes of parts are held, in bytes. A block
// is used again as soon as it is read, so that a fetch holds little more than
// what has arrived and nobody has read.
const blockSize = 1 << 20

// part is a stretch of an object that one stream fetches. It may be read while it
// is being filled. Its fields are guarded by the fetch's mutex; the bytes
// between read and filled are written by nobody.
type part struct {
	seg    *segment
	size   int
	filled int
	read   int
	blocks []*[blockSize]byte // those before the one that is read are gone
}

// hole returns where the next bytes go, which is nowhere when the part is full.
func (p *part) hole() []byte {
	if p.filled == p.size {
		return nil
	}
	if p.filled/blockSize == len(p.blocks) {
		p.blocks = append(p.blocks, blocks.Get().(*[blockSize]byte))
	}
	b := p.blocks[len(p.blocks)-1]
	at := p.filled % blockSize
	return b[at:min(blockSize, at+p.size-p.filled)]
}

// ready returns the bytes that can be read at once, or nothing.
func (p *part) ready() []byte {
	at := p.read % blockSize
	n := min(blockSize-at, p.filled-p.read)
	if n == 0 {
		return nil
	}
	return p.blocks[p.read/blockSize][at : at+n]
}

// took says that n bytes of what is ready have been read, and gives blocks that
// are done with back.
func (p *part) took(n int) {
	i := p.read / blockSize
	p.read += n
	if p.read/blockSize > i || p.read == p.size {
		blocks.Put(p.blocks[i])
		p.blocks[i] = nil
	}
}

// blocks are those that nobody uses, of all fetches. The last one that was given
// back is mostly the next one taken, and still in the processor's cache.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}
