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
	if !exists {
		at = x.tree.add(parent, base, node{kind: regular})
	}
	f := fileSpec{path: e.name.path, spelling: e.spelling, size: e.size, sparse: e.sparse, exec: e.exec, modified: clampTime(e.modified)}
	written, err := x.make(at, f, exists, e)
	if err != nil {
		return err
	}
	if e.sparse {
		onDisk = written
	}
	x.tree.nodes[at].value, x.tree.nodes[at].size = onDisk, e.size
	x.report.Files++
	x.report.Bytes += e.size
	return nil
}

// make has the sink make the file f with e's body, and returns the bytes that
// are written of a sparse one, in whole blocks.
func (x *extraction) make(at nodeID, f fileSpec, replace bool, e *entry) (written int64, err error) {
	if p, ok := x.sink.(puller); ok && e.apart {
		return 0, p.pull(at, f, replace, e.body)
	}
	out, err := x.sink.create(at, f, replace)
	if err != nil {
		return 0, err
	}
	put := func(p []byte, off int64) error {
		if !f.sparse {
			return out.put(p, off)
		}
		w, err := x.putData(out, p, off)
		written += w
		return err
	}
	if err := copyBody(f, e.body, x.limits.DecoderMemory, out.room, put); err != nil {
		out.abandon()
		return 0, err
	}
	return written, out.finish()
}

// copyBody passes what body yields to put, in buffers that room returns. It must
// be as many bytes as f has.
func copyBody(f fileSpec, body io.Reader, memory int64, room func(int64) []byte, put func(p []byte, off int64) error) error {
	for off := int64(0); off < f.size; {
		left := f.size - off
		p := room(left)
		p = p[:min(int64(len(p)), left)]
		n, err := fill(p, body)
		if n > 0 {
			if err := put(p[:n], off); err != nil {
				return err
			}
		}
		off += int64(n)
		switch {
		case err == io.EOF && off < f.size:
			return reject(f.spelling, "the archive breaks off in the middle")
		case err == io.EOF:
			return nil
		case err != nil:
			return damaged(f.spelling, err, memory)
		}
	}
	// The end is the body's to tell: with it come its checks.
	var more [1]byte
	n, err := fill(more[:], body)
	switch {
	case n > 0:
		return reject(f.spelling, "the entry holds more than its size of %d bytes", f.size)
	case err != io.EOF:
		return damaged(f.spelling, err, memory)
	}
	return nil
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

// putData puts those blocks of p that hold anything, as many at once as lie
// together; the others become holes. p begins at a block.
func (x *extraction) putData(out output, p []byte, off int64) (written int64, err error) {
	for at := 0; at < len(p); {
		end := at
		for end < len(p) && !allZero(p[end:min(end+diskBlock, len(p))]) {
			end = min(end+diskBlock, len(p))
		}
		if end == at {
			at = min(at+diskBlock, len(p))
			continue
		}
		disk := blocks(int64(end - at))
		if err := x.budget.take(disk, 0); err != nil {
			return written, err
		}
		if err := out.put(p[at:end], off+int64(at)); err != nil {
			return written, err
		}
		written += disk
		at = end
	}
	return written, nil
}
