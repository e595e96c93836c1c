package main

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// The crowds that hits are asked for by.
const (
	manyCallers   = 64 // in one process
	manyProcesses = 8
)

// Columns of the hits' table.
const (
	p50      = "p50"
	p99      = "p99"
	coreTime = "of a core, each"
	cpu      = "CPU, each"
)

// naiveHit is what Python does: it looks whether the directory is there.
const naiveHit = "naive.py: exists, utime"

// hits measures a shared hit by a run that holds it already, and by a new one with
// its cleanup, by one caller and by crowds.
func (b *bench) hits(ctx context.Context, _ int) error {
	s := b.tables.hits
	err := b.caches(ctx, func(place string, setup setup) error {
		for _, what := range []struct {
			name, do string
			most     float64
			share    int // of the hits that a round has
		}{{"hit of what the run holds", doHit, maxHit, 1}, {"new hold and cleanup", doHold, maxHold, 4}} {
			for _, by := range []struct {
				name               string
				processes, callers int
			}{{"1 caller", 1, 1}, {"64 callers", 1, manyCallers}, {"8 processes", manyProcesses, 1}} {
				r := s.row(what.name+", "+by.name+", "+place, "")
				// Who stands in a queue for a core waits for the others: of a crowd the
				// engine's own part is what each takes of a core.
				r.goal(p50, what.most)
				crowded := by.processes*by.callers > 1
				if crowded {
					delete(r.goals, p50)
					r.goal(coreTime, what.most)
				}
				each := max(b.opts.hits/what.share/max(by.callers, by.processes), 2)
				err := b.attempt(ctx, r, func() error {
					all, wall, ran, err := b.crowds(ctx, setup, by.processes, job{Do: what.do, N: each, Callers: by.callers, Target: small})
					if err != nil {
						return err
					}
					r.add(p50, quantile(all, 0.50))
					r.add(p99, quantile(all, 0.99))
					r.add(cpu, ran/float64(len(all)))
					if crowded {
						cores := min(runtime.NumCPU(), by.processes*by.callers)
						r.add(coreTime, wall*float64(cores)/float64(len(all)))
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r := s.row(naiveHit, "hit of what the run holds, 1 caller, alone")
	return b.attempt(ctx, r, func() error {
		a, err := b.naive(ctx, "hit", b.store, "1000")
		if err != nil {
			return err
		}
		r.add(p50, quantile(a.Each, 0.50))
		r.add(p99, quantile(a.Each, 0.99))
		return nil
	})
}

// crowds has so many processes do j at once, and returns what each time took, how
// long all of it, and how much CPU time went.
func (b *bench) crowds(ctx context.Context, s setup, processes int, j job) (all []float64, wall, ran float64, err error) {
	workers := make([]*worker, 0, processes)
	defer func() {
		for _, w := range workers {
			err = errors.Join(err, w.stop())
		}
	}()
	for range processes {
		w, err := startWorker(ctx, s)
		if err != nil {
			return nil, 0, 0, err
		}
		workers = append(workers, w)
		// The target is there and everything that happens once has happened.
		if _, err := w.ask(job{Do: j.Do, N: 2, Callers: 1, Target: j.Target}); err != nil {
			return nil, 0, 0, err
		}
	}
	type result struct {
		answer
		error
	}
	results := make(chan result, processes)
	for _, w := range workers {
		go func() {
			a, err := w.ask(j)
			results <- result{a, err}
		}()
	}
	for range workers {
		r := <-results
		err = errors.Join(err, r.error)
		all, wall, ran = append(all, r.Each...), max(wall, r.Took), ran+r.CPU
	}
	return all, wall, ran, err
}

// quantile returns the value that a share q of all is not above.
func quantile(all []float64, q float64) float64 {
	sorted := slices.SortedFunc(slices.Values(all), cmp.Compare[float64])
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// tables are what the figures go into, in the order in which they are printed.
type tables struct{ hits, small, trees, many, memory *section }

// layOut makes the tables.
func (b *bench) layOut() {
	time := func(name string, compared bool) column {
		return column{Name: name, show: lab.ShowTime, compared: compared}
	}
	b.tables = tables{
		hits:   b.rep.section("hits", time(p50, true), time(p99, false), time(coreTime, false), time(cpu, false)),
		small:  b.rep.section("small workspaces", time(ready, true), time(returns, false)),
		trees:  b.rep.section("removing trees", time(returns, true), time(deleted, true)),
		many:   b.rep.section("looking after entries", time(took, true)),
		memory: b.rep.section("memory above an idle process", column{Name: resident, show: lab.ShowBytes}, column{Name: peak, show: lab.ShowBytes}),
	}
}
