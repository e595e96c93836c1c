package corpus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"os"
	"path"
	"slices"

	"github.com/cordonlabs/cordon"
)

// MergeReport says what a Merge stored.
type MergeReport struct {
	Version    string `json:"version"` // its name
	Files      int    `json:"files"`
	Bytes      int64  `json:"bytes"`
	Supersedes int    `json:"supersedes"` // packs
	Oversized  int    `json:"oversized"`
	LeftOut    int    `json:"left_out"` // beyond Options.MaxFiles or MaxBytes, the largest
}

// Merge stores the files of dir, which Push would store, as a new version, which
// stands for all that this Corpus has pulled and pushed. What others have pushed
// meanwhile, and packs that were damaged, stay beside it. A directory without any input is
// an InvalidArgument: no minimisation ends so.
func (c *Corpus) Merge(ctx context.Context, dir *os.Root) (MergeReport, error) {
	return c.merge(ctx, dir, false)
}

// Replace is Merge, but the new version stands for everything that is in the
// store now, seen or not: it is how somebody goes back to an earlier version.
func (c *Corpus) Replace(ctx context.Context, dir *os.Root) (MergeReport, error) {
	return c.merge(ctx, dir, true)
}

func (c *Corpus) merge(ctx context.Context, dir *os.Root, all bool) (report MergeReport, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const op = "merge corpus"
	f, err := openFolder(dir)
	if err != nil {
		return report, c.failure(op, err)
	}
	defer f.close()
	packs, _, err := c.list(ctx)
	if err != nil {
		return report, c.failure(op, err)
	}
	names := []string{}
	for _, p := range packs { // one that is gone needs not be named, or the list would grow for ever
		if all || c.read[p.name] || c.covered[p.name] {
			names = append(names, p.name)
		}
	}
	w, err := newWriter(c.opts.TempDir)
	if err != nil {
		return report, c.failure(op, err)
	}
	defer w.close()
	seen, err := c.fill(ctx, w, f, names, &report)
	if err != nil {
		return report, c.failure(op, err)
	}
	report.Version = newName(c.opts.Now(), w.files, true)
	report.Files, report.Bytes, report.Supersedes = w.files, w.bytes, len(names)
	if _, err := w.put(ctx, c.blobs, path.Join(c.prefix, report.Version)); err != nil {
		return report, c.failure(op, err)
	}
	c.read[report.Version] = true
	for _, name := range names {
		c.covered[name] = true
	}
	maps.Copy(c.known, seen)
	return report, nil
}

// fill writes the files of f into w, the smallest first.
func (c *Corpus) fill(ctx context.Context, w *writer, f *folder, names []string, report *MergeReport) (seen map[sum]bool, err error) {
	files, _, err := f.files()
	if err == nil {
		err = w.supersede(names)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.size, b.size) })
	seen = map[sum]bool{}
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		switch {
		case file.size > c.opts.MaxInput:
			report.Oversized++
			continue
		case w.files >= c.opts.MaxFiles || w.bytes+file.size > c.opts.MaxBytes:
			report.LeftOut++
			continue
		}
		body, _, ok, err := f.read(file.name, c.opts.MaxInput)
		if err != nil {
			return nil, err
		}
		s := sum(sha256.Sum256(body))
		if !ok || seen[s] {
			continue
		}
		seen[s] = true
		if err := w.add(s, body); err != nil {
			return nil, err
		}
	}
	if len(seen) == 0 {
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "read the merged corpus", Err: errors.New("the directory has no inputs"), Fix: "merge again, or keep the corpus as it is"}
	}
	return seen, nil
}
