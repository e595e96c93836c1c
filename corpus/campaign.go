package corpus

import (
	"context"
	"os"
	"path/filepath"
)

// Campaign is a corpus as package fuzz uses it: the directories are given by their
// paths. It implements fuzz.Corpus.
type Campaign struct {
	corpus    *Corpus
	workspace string
}

// In returns c for a campaign that works in a workspace, given by its absolute path.
// Directories are looked up below that path: no link in them leads outside of it.
func (c *Corpus) In(workspace string) *Campaign { return &Campaign{c, workspace} }

// Pull implements fuzz.Corpus.
func (c *Campaign) Pull(ctx context.Context, dir string) (inputs int, err error) {
	err = c.with(dir, func(root *os.Root) error {
		report, err := c.corpus.Pull(ctx, root)
		inputs = report.Files
		return err
	})
	return inputs, err
}

// Push implements fuzz.Corpus.
func (c *Campaign) Push(ctx context.Context, dir string) (inputs int, err error) {
	err = c.with(dir, func(root *os.Root) error {
		report, err := c.corpus.Push(ctx, root)
		inputs = report.Files
		return err
	})
	return inputs, err
}

// Replace implements fuzz.Corpus; it is Corpus.Merge.
func (c *Campaign) Replace(ctx context.Context, dir string) error {
	return c.with(dir, func(root *os.Root) error {
		_, err := c.corpus.Merge(ctx, root)
		return err
	})
}

// with calls f with a directory of the workspace.
func (c *Campaign) with(dir string, f func(*os.Root) error) error {
	workspace, err := os.OpenRoot(c.workspace)
	if err != nil {
		return c.corpus.failure("open the workspace of corpus", err)
	}
	defer workspace.Close()
	rel, err := filepath.Rel(c.workspace, dir)
	var root *os.Root
	if err == nil {
		root, err = workspace.OpenRoot(rel)
	}
	if err != nil {
		return c.corpus.failure("open the directory of corpus", err)
	}
	defer root.Close()
	return f(root)
}
