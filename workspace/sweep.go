package workspace

import (
	"context"
	"errors"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
)

// useSlack is added to the time to live: an entry's last use is a stamp that is
// not refreshed at every use.
const useSlack = time.Minute

// Sweep removes what has no reason to stay: entries past their time to live,
// runs' directories whose holds have expired, what dead processes and crashes
// left, the trash; and evicts down to the limit. It never touches what somebody
// uses or holds, or what the cache did not make. One process sweeps a cache at
// a time; the others' reports say Busy. It may be interrupted at any point, and
// running it again changes nothing.
func (c *Cache) Sweep(ctx context.Context, opts SweepOptions) (SweepReport, error) {
	if err := errors.Join(c.revive(), c.rebuild()); err != nil {
		return SweepReport{}, err
	}
	c.prune()
	lock, err := flock.Try(c.root(), sweepLock, flock.Exclusive)
	if err != nil {
		return SweepReport{}, diskError("sweep", c.dir, err)
	}
	if lock == nil {
		return SweepReport{Busy: true}, nil
	}
	defer lock.Unlock()
	ctx, done := c.observer.Begin(ctx, Work{Kind: WorkSweep})
	report, err := c.sweep(ctx, opts)
	done(Done{Err: err, Bytes: report.Freed})
	return report, err
}

// sweep is Sweep for who has the lock.
func (c *Cache) sweep(ctx context.Context, opts SweepOptions) (SweepReport, error) {
	s := &sweep{c: c, ctx: ctx, opts: opts, stands: map[string]bool{}, keeps: map[string]bool{}, saved: map[key]bool{}}
	if err := s.begin(); err != nil {
		return SweepReport{}, diskError("sweep", c.dir, err)
	}
	var problems []error // of one part; the others do theirs all the same
	for _, part := range s.parts() {
		if err := part(); err != nil {
			problems = append(problems, err)
		}
		if ctx.Err() != nil {
			return s.report, ctx.Err()
		}
	}
	return s.report, diskError("sweep", c.dir, errors.Join(problems...))
}

type sweep struct {
	c      *Cache
	ctx    context.Context
	opts   SweepOptions
	report SweepReport
	first  *glance
	stands map[string]bool // staging ids of entries that were in place when they were looked at first
	gone   map[key]bool    // entries that were, or in a dry run would be, removed
	fates  fates
	asked  time.Time       // when the fates were asked for: what was held again since then counts
	keeps  map[string]bool // holds of failed runs that keep their workspace
	saved  map[key]bool    // entries that a dry run takes as saved

	listings listings

	plan   *plan           // what alone may be removed; nil: everything
	shrunk int64           // bytes that the cache is to shrink to
	listed map[string]bool // by a dry run
}

// begin reads the plan, if there is one.
func (s *sweep) begin() (err error) {
	if s.opts.Plan == "" {
		return nil
	}
	if s.opts.DryRun || s.opts.Shrink {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: "sweep", Name: s.c.dir,
			Err: errors.New("a plan says itself what goes"), Fix: "carry a plan out without another wish"}
	}
	s.plan, err = s.c.readPlan(s.opts.Plan)
	if err == nil {
		s.report.Plan = s.plan.ID
	}
	return err
}

// parts returns what this sweep does, in its order: temporary holds before holds,
// whose directories they keep, and holds after what dead processes were making, for
// theirs count until that is gone; the trash before what is written, for which a
// full disk has no room. What no dry run tells, such as old lock files, is not done by
// a plan; what is in the trash is removed already.
func (s *sweep) parts() []func() error {
	all := []func() error{s.ask, s.salvage, s.entries, s.tempHolds, s.deadStaging, s.strayHolds, s.mounts, s.tombstones, s.tampering, s.grown, s.shrink, s.quarantined, s.stalePins}
	switch {
	case s.plan != nil:
		return append(all, s.unplanned, s.trash)
	case s.opts.DryRun:
		return append(all, s.writePlan)
	}
	return append(all, s.plans, s.ownFiles, s.trash, s.settleRest)
}

// did notes a removal and carries it out unless this is a dry run. do reports
// whether it was possible now.
func (s *sweep) did(r Removal, do func() (bool, error)) error {
	if s.plan != nil && !s.plan.known[r.identity()] {
		return nil
	}
	if s.opts.DryRun {
		if s.listed[r.identity()] {
			return nil
		}
		if s.listed == nil {
			s.listed = map[string]bool{}
		}
		s.listed[r.identity()] = true
	} else {
		ok, err := do()
		if !ok && err == nil && s.plan != nil {
			r.Reason = s.since(r, "in use again")
		}
		if err != nil {
			s.c.log.Warn("cannot remove from cache; the next sweep tries again", "path", r.Path, "reason", r.Reason, "error", err)
			r.Reason += ": " + err.Error()
		}
		if !ok || err != nil {
			s.report.Deferred = append(s.report.Deferred, r)
			return nil
		}
	}
	s.report.Removals = append(s.report.Removals, r)
	s.report.Freed += r.Bytes
	if s.gone == nil {
		s.gone = map[key]bool{}
	}
	s.gone[key(r.Key)] = true
	return nil
}
