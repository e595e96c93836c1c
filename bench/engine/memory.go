package main

import (
	"context"
)

// Columns of the table of memory.
const (
	resident = "resident"
	peak     = "peak"
)

// memory measures what a process needs for the entries: to know them, and while it
// sweeps. What the language's runtime has not given back yet counts as the peak's only.
func (b *bench) memory(ctx context.Context, _ int) error {
	return with(ctx, setup{Cache: b.full, Store: b.store}, func(w *worker) error {
		for _, what := range []struct{ name, do string }{{"all entries known", doUsage}, {"sweep", doSweep}} {
			r := b.tables.memory.row(what.name, "")
			err := b.attempt(ctx, r, func() error {
				idle, err := w.ask(job{Do: doMemory})
				if err != nil {
					return err
				}
				if _, err := w.ask(job{Do: what.do}); err != nil {
					return err
				}
				after, err := w.ask(job{Do: doMemory})
				if err != nil {
					return err
				}
				r.add(resident, float64(after.Memory-idle.Memory))
				r.add(peak, float64(after.Peak-idle.Memory))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
