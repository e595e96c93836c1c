package corpus

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// PullReport says what a Pull did.
type PullReport struct {
	Packs   int   `json:"packs"`   // that were read
	Files   int   `json:"files"`   // that are new in the directory
	Bytes   int64 `json:"bytes"`   // of those
	Present int   `json:"present"` // inputs that were there already

	// Inputs that were left out, the largest first, for Options.MaxFiles and MaxBytes,
	// and for MaxInput.
	Dropped      int   `json:"dropped"`
	DroppedBytes int64 `json:"dropped_bytes"`
	Oversized    int   `json:"oversized"`

	Skipped []Skipped `json:"skipped,omitempty"` // packs that are of no use
}

// Skipped is a pack that was passed over, and why.
type Skipped struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

const (
	// listAttempts is how often the packs are listed anew because one that was listed
	// has gone. Prune removes what a version has long superseded; who meets that once
	// finds the version in the next listing.
	listAttempts = 5

	// touchEvery is how fresh the sign is kept that a corpus is in use. Retention
	// counts in days.
	touchEvery = 24 * time.Hour
)

// Pull writes into dir the inputs that are in the store and were not pulled or
// pushed by this Corpus before, each under the hex SHA-256 of its content, with
// something behind that where the name is taken by something else. Files that are there stay as
// they are. A pack that is damaged is skipped with a warning,
// and what was sound before the damage is kept. Called again, it reads only
// packs that are new.
func (c *Corpus) Pull(ctx context.Context, dir *os.Root) (PullReport, error) {
	return c.pull(ctx, dir, "")
}

// PullVersion is Pull of one version alone; Versions names them. One that is not
// there, or damaged, is an error.
func (c *Corpus) PullVersion(ctx context.Context, dir *os.Root, version string) (PullReport, error) {
	return c.pull(ctx, dir, version)
}

func (c *Corpus) pull(ctx context.Context, dir *os.Root, version string) (report PullReport, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := openFolder(dir)
	if err != nil {
		return report, c.failure("pull corpus", err)
	}
	defer f.close()
	if version != "" {
		err = c.pullVersion(ctx, f, version, &report)
	} else {
		err = c.pullAll(ctx, f, &report)
	}
	if err != nil {
		return report, c.failure("pull corpus", err)
	}
	if report.Dropped > 0 {
		c.opts.Log.WarnContext(ctx, "The corpus is larger than a run takes; the largest inputs were left out", "corpus", c.name.String(), "dropped", report.Dropped, "bytes", report.DroppedBytes)
	}
	return report, nil
}

func (c *Corpus) pullAll(ctx context.Context, f *folder, report *PullReport) error {
	for attempt := 1; ; attempt++ {
		packs, used, err := c.list(ctx)
		if err != nil {
			return err
		}
		if len(packs) > 0 {
			c.touch(ctx, used)
		}
		again, err := c.take(ctx, f, packs, attempt == listAttempts, report)
		if err != nil || !again {
			return err
		}
	}
}

// take reads the packs, which are the newest first, that no version stands for. Versions come first:
// what they name need not be read. It reports whether one has gone meanwhile; at
// the last attempt that one is skipped.
func (c *Corpus) take(ctx context.Context, f *folder, packs []pack, last bool, report *PullReport) (again bool, err error) {
	for _, merged := range []bool{true, false} {
		for _, p := range packs {
			if p.merged != merged || c.read[p.name] || c.covered[p.name] || c.damaged[p.name] {
				continue
			}
			err := c.readPack(ctx, f, p.key, report)
			if gone(err) && !last {
				return true, nil
			}
			var d damageError
			if gone(err) || errors.As(err, &d) || cordon.KindOf(err) == cordon.IntegrityMismatch {
				c.skip(ctx, p, err, report)
				continue
			}
			if err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

func (c *Corpus) pullVersion(ctx context.Context, f *folder, version string, report *PullReport) error {
	p, ok := parsePack(target.BlobInfo{Key: path.Join(c.prefix, version)})
	if !ok || !p.merged || strings.Contains(version, "/") {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: "use version", Name: fmt.Sprintf("%.80q", version), Err: errors.New("it is not the name of one"), Fix: "list the versions first"}
	}
	err := c.readPack(ctx, f, p.key, report)
	if d := (damageError{}); errors.As(err, &d) {
		return &cordon.Error{Kind: cordon.IntegrityMismatch, Op: "read", Name: p.key, Err: err, Fix: "take another version"}
	}
	return err
}

// gone reports whether a pack was removed, or replaced, after it was listed.
func gone(err error) bool {
	k := cordon.KindOf(err)
	return k == cordon.TargetNotFound || k == cordon.Busy
}

func (c *Corpus) skip(ctx context.Context, p pack, err error, report *PullReport) {
	c.damaged[p.name] = true
	report.Skipped = append(report.Skipped, Skipped{p.key, err.Error()})
	c.opts.Log.WarnContext(ctx, "A pack of the corpus is damaged and passed over; remove it if that stays so", "key", p.key, "error", err)
}

// readPack reads a pack into f. Only one that was whole counts as read, and is
// believed about what it supersedes.
func (c *Corpus) readPack(ctx context.Context, f *folder, key string, report *PullReport) error {
	in, _, err := c.blobs.OpenBlob(ctx, key)
	if err != nil {
		return err
	}
	defer in.Close()
	var names []string
	r := reader{
		maxInput:   c.opts.MaxInput,
		supersedes: func(packs []string) { names = packs },
		input: func(s sum, body []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return c.write(f, s, body, report)
		},
	}
	err = r.read(in)
	report.Oversized += r.larger
	if err != nil {
		return err
	}
	report.Packs++
	c.read[path.Base(key)] = true
	for _, name := range names {
		c.covered[name] = true
	}
	return nil
}

// write writes an input that is not known yet, and removes the largest ones where
// there are too many then.
func (c *Corpus) write(f *folder, s sum, body []byte, report *PullReport) error {
	if c.known[s] {
		return nil
	}
	name, size := hex.EncodeToString(s[:]), int64(len(body))
	if c.pulled.over(c.opts, size) && c.pulled.most() <= size {
		c.known[s] = true
		report.Dropped++
		report.DroppedBytes += size
		return nil
	}
	name, st, created, err := f.place(name, body)
	if err != nil {
		return err
	}
	c.known[s] = true
	c.memo[name] = st
	if !created {
		report.Present++
		return nil
	}
	c.pulled.add(size, name)
	report.Files++
	report.Bytes += size
	for c.pulled.over(c.opts, 0) {
		size, name := c.pulled.pop()
		f.remove(name)
		delete(c.memo, name)
		report.Files--
		report.Bytes -= size
		report.Dropped++
		report.DroppedBytes += size
	}
	return nil
}

// touch shows that the corpus is in use. It is a hint for retention: one who may
// only read leaves none.
func (c *Corpus) touch(ctx context.Context, used time.Time) {
	if c.opts.Now().Sub(used) < touchEvery {
		return
	}
	if _, err := c.blobs.PutBlob(ctx, path.Join(c.prefix, usedName), strings.NewReader(""), 0, target.PutBlob{}); err != nil {
		c.opts.Log.DebugContext(ctx, "The corpus could not be marked as used", "corpus", c.name.String(), "error", err)
	}
}
