package archive

import "io"

// file writes a regular file. One that was there is replaced, as tar does it,
// unless a link is involved: then tools would differ in what they make.
func (x *extraction) file(parent nodeID, base string, at nodeID, exists bool, e *entry) error {
	if exists {
		n := &x.tree.nodes[at]
		if n.kind != regular {
			return reject(e.spelling, "it is %s in one entry and a file in another", n.what())
		}
		if n.linked {
			return reject(e.spelling, "it is replaced after a hard link was made to it")
		}
		x.budget.release(n.value, 1)
		x.report.Files--
		x.report.Bytes -= n.size
	}
	if err := x.budget.name(e.spelling); err != nil {
		return err
	}
	if err := x.budget.content(e.spelling, e.size); err != nil {
		return err
	}
	onDisk := blocks(e.size)
	if e.sparse {
		onDisk = 0 // charged for as it is written
	}
	if err := x.budget.take(onDisk, 1); err != nil {
		return err
	}
	out, err := x.sink.create(e.name.path, exists)
	if err != nil {
		return err
	}
	written, err := x.write(out, e)
	if err != nil {
		out.abandon()
		return err
	}
	if err := out.finish(e.size, e.exec, clampTime(e.modified)); err != nil {
		return err
	}
	if e.sparse {
		onDisk = written
	}
	if exists {
		x.tree.nodes[at].value, x.tree.nodes[at].size = onDisk, e.size
	} else {
		x.tree.add(parent, base, node{kind: regular, value: onDisk, size: e.size})
	}
	x.report.Files++
	x.report.Bytes += e.size
	return nil
}

// write copies e's body and returns the bytes written, in whole blocks for a
// sparse file, whose blocks of zeros become holes.
func (x *extraction) write(out output, e *entry) (int64, error) {
	var written int64
	for off := int64(0); ; {
		n, err := fill(x.buf, e.body)
		if off+int64(n) > e.size {
			return 0, reject(e.spelling, "the entry holds more than its size of %d bytes", e.size)
		}
		if n > 0 {
			var werr error
			if e.sparse {
				var w int64
				w, werr = x.writeData(out, x.buf[:n], off)
				written += w
			} else {
				werr = out.writeAt(x.buf[:n], off)
				written += int64(n)
			}
			if werr != nil {
				return 0, werr
			}
		}
		off += int64(n)
		x.progress()
		switch {
		case err == io.EOF:
			if off != e.size {
				return 0, reject(e.spelling, "the archive breaks off in the middle")
			}
			return written, nil
		case err != nil:
			return 0, damaged(e.spelling, err, x.limits.DecoderMemory)
		}
	}
}

// fill reads into p until it is full or r fails. Unlike io.ReadFull it returns
// r's error unchanged: io.EOF from r says that the content is whole, and
// io.ErrUnexpectedEOF that it is not.
func fill(p []byte, r io.Reader) (n int, err error) {
	err = guarded(func() error {
		for n < len(p) {
			m, err := r.Read(p[n:])
			n += m
			if err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// writeData writes the blocks of p that hold anything. p begins at a block.
func (x *extraction) writeData(out output, p []byte, off int64) (int64, error) {
	var written int64
	for len(p) > 0 {
		n := min(len(p), diskBlock)
		if !allZero(p[:n]) {
			if err := x.budget.take(diskBlock, 0); err != nil {
				return written, err
			}
			if err := out.writeAt(p[:n], off); err != nil {
				return written, err
			}
			written += diskBlock
		}
		p, off = p[n:], off+int64(n)
	}
	return written, nil
}
