package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// took is the column of the table of entries.
const took = "took"

// command is the row of the command that lists entries, the process with its start.
const command = "cordon cache ls --json"

// whileHeld measures looking after entries all of which runs hold that no living
// process works for: without and with somebody who knows about the runs. The
// shared trees among them are mounted where that is allowed.
func (b *bench) whileHeld(ctx context.Context, _ int) error {
	err := b.look(ctx, "all held", setup{Cache: b.full, Store: b.store})
	if err != nil {
		return err
	}
	return b.sweeps(ctx, "all held by open runs", setup{Cache: b.full, Store: b.store, Open: true})
}

// afterwards measures the same where nobody holds the shared trees, beside those
// who walk.
func (b *bench) afterwards(ctx context.Context, _ int) error {
	const what = "half held"
	if err := b.look(ctx, what, setup{Cache: b.full, Store: b.store}); err != nil {
		return err
	}
	ours := "Usage, " + what
	du := b.tables.many.row("du -s", ours)
	naive := b.tables.many.row("naive.py: walk, sort", ours)
	list := b.tables.many.row(command+", "+what, "")
	if err := b.attempt(ctx, du, func() error {
		t, err := timed(ctx, "du", "-s", b.full)
		if err == nil {
			du.add(took, t)
		}
		return err
	}); err != nil {
		return err
	}
	if err := b.attempt(ctx, naive, func() error {
		a, err := b.naive(ctx, "room", b.full, noLimit)
		if err == nil {
			naive.add(took, a.Took)
		}
		return err
	}); err != nil {
		return err
	}
	return b.attempt(ctx, list, func() error {
		start := time.Now()
		out, err := lab.Output(ctx, "/proc/self/exe", cliFlag, "cache", "ls", "--json", "--cache-dir", b.full)
		if err != nil {
			return err
		}
		list.add(took, time.Since(start).Seconds())
		var entries []json.RawMessage
		if err := json.Unmarshal([]byte(out), &entries); err != nil {
			return err
		}
		return b.enough(len(entries))
	})
}

// look measures sweeps, and how long a process that was just started takes to list
// the entries and to add them up.
func (b *bench) look(ctx context.Context, what string, s setup) error {
	if err := b.sweeps(ctx, what, s); err != nil {
		return err
	}
	for _, j := range []struct{ name, do string }{{"Entries", doEntries}, {"Usage", doUsage}} {
		r := b.tables.many.row(j.name+", "+what, "")
		err := b.attempt(ctx, r, func() error {
			return with(ctx, s, func(w *worker) error {
				a, err := w.ask(job{Do: j.do})
				if err == nil && j.do == doEntries {
					err = b.enough(a.Entries)
				}
				if err == nil {
					r.add(took, a.Took)
				}
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweeps measures the first sweep of a process, and the next one, which knows what
// did not change.
func (b *bench) sweeps(ctx context.Context, what string, s setup) error {
	first, again := b.tables.many.row("first sweep, "+what, ""), b.tables.many.row("next sweep, "+what, "")
	for _, r := range []*row{first, again} {
		if b.opts.entries >= judgedEntries {
			r.goal(took, maxSweep)
		}
	}
	return with(ctx, s, func(w *worker) error {
		for _, r := range []*row{first, again} {
			err := b.attempt(ctx, r, func() error {
				a, err := w.ask(job{Do: doSweep})
				if err == nil && a.Removed > 0 {
					err = fmt.Errorf("it removed %d of what is held or new", a.Removed)
				}
				if err == nil {
					r.add(took, a.Took)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// enough reports an error where a list has fewer entries than were made.
func (b *bench) enough(n int) error {
	if n < b.opts.entries {
		return fmt.Errorf("%d entries are listed, and %d were made", n, b.opts.entries)
	}
	return nil
}
