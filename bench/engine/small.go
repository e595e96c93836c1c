package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon"
)

// Columns of several tables.
const (
	ready   = "ready"
	returns = "removal returns"
)

// smallEach is how often a round makes each small workspace: one takes as long as
// a few renames.
const smallEach = 20

// small measures workspaces of a run's own, of a small target that is warm: what a
// reservation costs, which looks at all that there is, and a publication.
func (b *bench) small(ctx context.Context, _ int) error {
	s := b.tables.small
	for _, mode := range []cordon.Mode{cordon.Isolated, cordon.CopyOnWrite} {
		err := b.caches(ctx, func(place string, setup setup) error {
			r := s.row(string(mode)+", "+place, "")
			return b.attempt(ctx, r, func() error {
				return with(ctx, setup, func(w *worker) error { return b.smallOnes(w, r, mode) })
			})
		})
		if err != nil {
			return err
		}
	}
	for _, place := range []string{"alone", b.beside()} {
		r := s.row("naive.py: walk, copy, unpack, "+place, "isolated, "+place)
		err := b.attempt(ctx, r, func() error {
			cache, dest := b.full, b.dir()
			if place == "alone" {
				cache = b.empty
			}
			a, err := b.naive(ctx, "get", cache, noLimit, archiveOf(b.store, small), dest)
			if err != nil {
				return err
			}
			r.add(ready, a.Took)
			return os.RemoveAll(dest)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// smallOnes makes small workspaces by w and adds the round's medians to r.
func (b *bench) smallOnes(w *worker, r *row, mode cordon.Mode) error {
	var got, gone []float64
	for i := range min(smallEach, b.opts.hits/4) + 1 {
		a, err := w.ask(job{Do: doGet, Target: small, Mode: mode})
		if err != nil {
			return err
		}
		c, err := w.ask(job{Do: doCleanup, Path: a.Path})
		if err != nil {
			return err
		}
		if i > 0 { // the first one may have to make the base, or try the drivers
			got, gone = append(got, a.Took), append(gone, c.Took)
		}
	}
	r.add(ready, quantile(got, 0.5))
	r.add(returns, quantile(gone, 0.5))
	return nil
}

// object returns the archive of a tree that others unpack.
func (b *bench) object(files int) string { return filepath.Clean(archiveOf(b.store, treeName(files))) }
