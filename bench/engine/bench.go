package main

import (
	"context"
	"fmt"
	"github.com/cordonlabs/cordon/bench/internal/naive"
	"os"
	"path/filepath"
)

// bench is one measurement of everything.
type bench struct {
	opts   *options
	rep    *report
	store  string
	script string // naive.py
	empty  string // a cache with nothing in it but what is measured
	full   string // one with all the other entries beside that
	others string // the directory of those who are no cache
	tables tables
	next   int // the number of the next directory
}

// measure fills a cache and takes every figure so often as opts says.
func measure(ctx context.Context, opts *options, p *place, rep *report) (err error) {
	b := &bench{opts: opts, rep: rep, store: filepath.Join(p.dir, "store"), empty: filepath.Join(p.dir, "empty"),
		full: filepath.Join(p.dir, "full"), others: filepath.Join(p.dir, "others")}
	for _, d := range []string{b.store, b.others} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	if b.script, err = naive.Write(p.dir); err != nil {
		return err
	}
	rep.say("packing the targets")
	if err := fillStore(ctx, b.store, opts.files); err != nil {
		return err
	}
	rep.say("making %d entries", opts.entries)
	if err := b.fill(ctx); err != nil {
		return fmt.Errorf("fill the cache: %w", err)
	}
	b.layOut()
	// What is held is mounted where that is allowed, and mounts are everybody's
	// burden: they go before the rest is measured.
	for _, stage := range []struct {
		what string
		do   func(context.Context, int) error
	}{
		{"looking after held entries", b.whileHeld},
		{"", b.release},
		{"looking after entries", b.afterwards},
		{"memory", b.memory},
		{"hits", b.hits},
		{"small workspaces", b.small},
		{"trees", b.trees},
	} {
		for round := range opts.rounds {
			if stage.what == "" && round > 0 {
				break
			}
			if stage.what != "" {
				rep.say("%s, round %d", stage.what, round+1)
			}
			if err := p.rest(ctx); err != nil {
				return err
			}
			if err := stage.do(ctx, round); err != nil {
				return fmt.Errorf("%s: %w", stage.what, err)
			}
		}
	}
	return nil
}

// fill makes the other entries, by a process that is gone then: what it holds is
// written down, and nobody has it locked. One sweep makes up for what the process
// did not get round to, and is not counted.
func (b *bench) fill(ctx context.Context) error {
	err := with(ctx, setup{Cache: b.full, Store: b.store}, func(w *worker) error {
		a, err := w.ask(job{Do: doFill, N: b.opts.entries})
		b.rep.Fill = a.Took
		return err
	})
	if err != nil {
		return err
	}
	return with(ctx, setup{Cache: b.full, Store: b.store}, func(w *worker) error {
		a, err := w.ask(job{Do: doSweep})
		b.rep.Settle = a.Took
		if err == nil && a.Removed > 0 {
			err = fmt.Errorf("a sweep removed %d of what is held", a.Removed)
		}
		return err
	})
}

func (b *bench) release(ctx context.Context, _ int) error {
	return with(ctx, setup{Cache: b.full, Store: b.store}, func(w *worker) error {
		_, err := w.ask(job{Do: doRelease, N: b.opts.entries})
		return err
	})
}

// caches calls do with the cache that has nothing else in it and the one that has.
func (b *bench) caches(ctx context.Context, do func(place string, s setup) error) error {
	for _, c := range []struct{ place, dir string }{{"alone", b.empty}, {b.beside(), b.full}} {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := do(c.place, setup{Cache: c.dir, Store: b.store}); err != nil {
			return fmt.Errorf("%s: %w", c.place, err)
		}
	}
	return nil
}

func (b *bench) beside() string { return fmt.Sprintf("beside %d entries", b.opts.entries) }

// dir returns a name in the others' directory that nobody had.
func (b *bench) dir() string {
	b.next++
	return filepath.Join(b.others, fmt.Sprintf("w%06d", b.next))
}

// attempt has take add to the row's figures. Who fails has no more
// figures, and its row says why; the error is the end of everything.
func (b *bench) attempt(ctx context.Context, r *row, take func() error) error {
	if r.Failed != "" {
		return nil
	}
	err := take()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.Failed = err.Error()
		b.rep.Broken++
		b.rep.say("%s FAILED: %v", r.Name, err)
	}
	return nil
}
