package main

import (
	"context"
	"fmt"
	"os"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// deleted is the column for the time until nothing is left of a tree.
const deleted = "deleted"

// A tree of more than largeTree files is made largeRounds times at most.
const (
	largeTree   = 10_000
	largeRounds = 3
)

// trees measures the removal of isolated workspaces of many files, and of the
// same trees by those who wait for it. Each tree is removed right after it was made.
func (b *bench) trees(ctx context.Context, round int) error {
	s := b.tables.trees
	for _, n := range b.opts.files {
		if n > largeTree && round >= largeRounds {
			continue
		}
		ours := fmt.Sprintf("cordon, %d files", n)
		own := s.row(ours, "").goal(returns, maxCleanup)
		err := b.attempt(ctx, own, func() error {
			return with(ctx, setup{Cache: b.empty, Store: b.store}, func(w *worker) error {
				a, err := w.ask(job{Do: doGet, Target: treeName(n), Mode: cordon.Isolated})
				if err != nil {
					return err
				}
				c, err := w.ask(job{Do: doCleanup, Path: a.Path})
				if err == nil {
					own.add(returns, c.Took)
					own.add(deleted, c.Freed)
				}
				return err
			})
		})
		if err != nil {
			return err
		}
		for _, other := range []struct {
			name   string
			remove func(tree string) (float64, error)
		}{
			{"rm -rf", func(tree string) (float64, error) { return timed(ctx, "rm", "-rf", tree) }},
			{"shutil.rmtree", func(tree string) (float64, error) {
				a, err := b.naive(ctx, "rmtree", tree)
				return a.Took, err
			}},
		} {
			r := s.row(fmt.Sprintf("%s, %d files", other.name, n), ours)
			err := b.attempt(ctx, r, func() error {
				tree := b.dir()
				if err := os.Mkdir(tree, 0o755); err != nil {
					return err
				}
				if err := lab.Command(ctx, "tar", "-C", tree, "-xf", b.object(n)); err != nil {
					return err
				}
				took, err := other.remove(tree)
				if err == nil {
					r.add(returns, took)
					r.add(deleted, took)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
