package corpus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"os"
	"path"
	"slices"
)

// PushReport says what a Push did.
type PushReport struct {
	Files     int   `json:"files"` // that are new in the store
	Bytes     int64 `json:"bytes"` // of those
	Packs     int   `json:"packs"`
	Known     int   `json:"known"`     // that were in the store
	Oversized int   `json:"oversized"` // larger than Options.MaxInput
	LeftOut   int   `json:"left_out"`  // beyond Options.MaxFiles or MaxBytes, the largest
	Truncated bool  `json:"truncated"` // the directory has too many names to look at all of them
}

// packFull is how many bytes of inputs one pack of a Push has, about: of more, some
// are stored before others are read.
const packFull = 256 << 20

// Push stores the files of dir, whatever their names, that neither a Pull nor a
// Push of this Corpus has seen. Directories, links, names that begin with a dot
// and whatever is no regular file are passed over. A file that was seen is not read again
// unless it has changed. Over all of a run, Options.MaxFiles and MaxBytes hold.
func (c *Corpus) Push(ctx context.Context, dir *os.Root) (report PushReport, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := openFolder(dir)
	if err != nil {
		return report, c.failure("push corpus", err)
	}
	defer f.close()
	if err := c.push(ctx, f, &report); err != nil {
		return report, c.failure("push corpus", err)
	}
	if report.LeftOut > 0 || report.Truncated {
		c.opts.Log.WarnContext(ctx, "A run has found more than it may push; the largest inputs stay behind", "corpus", c.name.String(), "left_out", report.LeftOut, "truncated", report.Truncated)
	}
	return report, nil
}

func (c *Corpus) push(ctx context.Context, f *folder, report *PushReport) error {
	files, more, err := f.files()
	if err != nil {
		return err
	}
	report.Truncated = more
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.size, b.size) })
	b := &batch{c: c}
	defer b.close()
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case c.memo[file.name] == file.stamp:
			report.Known++
			continue
		case file.size > c.opts.MaxInput:
			report.Oversized++
			continue
		case c.pushed.files+b.files() >= c.opts.MaxFiles || c.pushed.bytes+b.bytes()+file.size > c.opts.MaxBytes:
			report.LeftOut++
			continue
		}
		body, st, ok, err := f.read(file.name, c.opts.MaxInput)
		if err != nil {
			return err
		}
		if !ok {
			continue // it will be there the next time, or never was what it seemed
		}
		s := sum(sha256.Sum256(body))
		if c.known[s] {
			c.memo[file.name] = st
			report.Known++
			continue
		}
		if err := b.add(s, body, file.name, st); err != nil {
			return err
		}
		if b.bytes() >= packFull {
			if err := b.put(ctx, report); err != nil {
				return err
			}
		}
	}
	return b.put(ctx, report)
}

// batch is a pack on its way. What is in it counts as known once it is stored.
type batch struct {
	c    *Corpus
	w    *writer // nil: nothing is in it
	memo map[string]stamp
	sums map[sum]bool
}

func (b *batch) files() int {
	if b.w == nil {
		return 0
	}
	return b.w.files
}

func (b *batch) bytes() int64 {
	if b.w == nil {
		return 0
	}
	return b.w.bytes
}

func (b *batch) add(s sum, body []byte, name string, st stamp) error {
	if b.w == nil {
		w, err := newWriter(b.c.opts.TempDir)
		if err != nil {
			return err
		}
		b.w, b.memo, b.sums = w, map[string]stamp{}, map[sum]bool{}
	}
	b.memo[name] = st
	if b.sums[s] {
		return nil
	}
	b.sums[s] = true
	return b.w.add(s, body)
}

func (b *batch) put(ctx context.Context, report *PushReport) error {
	if b.w == nil {
		return nil
	}
	name := newName(b.c.opts.Now(), b.w.files, false)
	if _, err := b.w.put(ctx, b.c.blobs, path.Join(b.c.prefix, name)); err != nil {
		return err
	}
	b.c.read[name] = true
	for s := range b.sums {
		b.c.known[s] = true
	}
	for name, st := range b.memo {
		b.c.memo[name] = st
	}
	b.c.pushed.files += b.w.files
	b.c.pushed.bytes += b.w.bytes
	report.Packs++
	report.Files += b.w.files
	report.Bytes += b.w.bytes
	b.close()
	return nil
}

func (b *batch) close() {
	if b.w != nil {
		b.w.close()
		b.w = nil
	}
}
