package corpus

import (
	"context"
	"os"
)

// Campaign is a corpus as a campaign uses it: it implements fuzz.Corpus.
type Campaign struct{ corpus *Corpus }

// Campaign returns c for the one campaign that uses it.
func (c *Corpus) Campaign() *Campaign { return &Campaign{c} }

// Pull implements fuzz.Corpus.
func (c *Campaign) Pull(ctx context.Context, dir *os.Root) (inputs int, err error) {
	report, err := c.corpus.Pull(ctx, dir)
	return report.Files, err
}

// Push implements fuzz.Corpus.
func (c *Campaign) Push(ctx context.Context, dir *os.Root) (inputs int, err error) {
	report, err := c.corpus.Push(ctx, dir)
	return report.Files, err
}

// Replace implements fuzz.Corpus; it is Corpus.Merge.
func (c *Campaign) Replace(ctx context.Context, dir *os.Root) error {
	_, err := c.corpus.Merge(ctx, dir)
	return err
}
