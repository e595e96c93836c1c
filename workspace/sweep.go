package workspace

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/workspace/driver"
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
	s := &sweep{c: c, ctx: ctx, opts: opts, keeps: map[string]bool{}}
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
	gone   map[key]bool // entries that were, or in a dry run would be, removed
	fates  map[Owner]Fate
	asked  time.Time       // when the fates were asked for: what was held again since then counts
	keeps  map[string]bool // holds of failed runs that keep their workspace

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

// parts returns what this sweep does, in its order: temporary files before holds,
// whose directories they keep, and holds after what dead processes were making, for
// theirs count until that is gone; the trash before what is written, for which a
// full disk has no room. What no dry run tells, such as
// old lock files, is not done by a plan; what is in the trash is removed already.
func (s *sweep) parts() []func() error {
	all := []func() error{s.ask, s.entries, s.tempFiles, s.deadStaging, s.strayHolds, s.mounts, s.tombstones, s.tampering, s.grown, s.shrink, s.quarantined, s.stalePins}
	switch {
	case s.plan != nil:
		return append(all, s.unplanned, s.trash)
	case s.opts.DryRun:
		return append(all, s.writePlan)
	}
	return append(all, s.plans, s.lockFiles, s.notes, s.trash, s.settleRest)
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

func (s *sweep) entries() error {
	records, unreadable, err := s.c.records()
	if err != nil {
		return err
	}
	for _, name := range unreadable {
		k := key(strings.TrimSuffix(path.Base(name), ".json"))
		err := s.did(Removal{Key: string(k), Path: s.c.abs(name), Reason: errUnreadable.Error()}, func() (bool, error) {
			return s.forget(k)
		})
		if err != nil {
			return err
		}
	}
	// Runs' entries before the bases that their views hold: both may go at once.
	slices.SortStableFunc(records, func(a, b *record) int {
		switch {
		case a.Kind == KindRun && b.Kind != KindRun:
			return -1
		case a.Kind != KindRun && b.Kind == KindRun:
			return 1
		}
		return 0
	})
	for _, r := range records {
		if s.ctx.Err() != nil {
			return nil
		}
		why, err := s.doomed(r)
		if err != nil || why == "" {
			if err != nil {
				return err
			}
			continue
		}
		err = s.did(s.c.removal(r, why), func() (bool, error) {
			return s.removeIfStill(r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forget removes the entry k whose record cannot be read, after a power failure
// for example. The record's name is all that tells which entry it was: that is
// looked for among the places where entries stand.
func (s *sweep) forget(k key) (bool, error) {
	c := s.c
	p := c.places(k)
	if p.lock != "" {
		lock, err := flock.Try(c.root(), p.lock, flock.Exclusive)
		if lock == nil || err != nil {
			return false, err
		}
		defer lock.Unlock()
	}
	if _, err := c.readRecord(k); !errors.Is(err, errUnreadable) {
		return false, err // made anew meanwhile
	}
	for _, name := range p.names {
		if !c.trash(name) {
			return false, nil
		}
	}
	if p.target != "" {
		_ = c.root().Remove(p.target) // fails as long as something else is in it, as it should
	}
	c.dropAll(k)
	return true, c.root().Remove(recordFile(k))
}

// doomed says why r's entry should go, or "".
func (s *sweep) doomed(r *record) (string, error) {
	c := s.c
	if r.State != complete {
		lock, err := flock.Try(c.root(), r.lock(), flock.Shared)
		if lock == nil || err != nil {
			return "", err // it is being published
		}
		lock.Unlock()
		return "its publishing was interrupted", nil
	}
	if why := c.missing(r); why != "" {
		return why, nil
	}
	if err := c.attached(r); errors.Is(err, driver.ErrBroken) {
		return err.Error(), nil
	}
	held, over, err := s.held(r.Key)
	if held || err != nil {
		return "", err
	}
	if pin, err := c.pinned(r.Key); pin != nil || err != nil {
		return "", err
	}
	idle := c.now().Sub(r.lastUsed)
	switch {
	case r.Kind == KindRun && over != "":
		return over, nil
	case r.Kind == KindRun:
		return "no run holds it any more", nil
	case c.ttl > 0 && idle > c.ttl+useSlack:
		return "not used for " + idle.Round(time.Minute).String() + " (CACHE_TTL)", nil
	}
	return "", nil
}

// removeIfStill removes r's entry if it is still doomed once its lock is ours.
func (s *sweep) removeIfStill(r *record) (bool, error) {
	if r.Kind == KindRun {
		defer s.c.heed(r.Key)
	}
	lock, err := flock.Try(s.c.root(), r.lock(), flock.Exclusive)
	if lock == nil || err != nil {
		return false, err
	}
	defer lock.Unlock()
	now, err := s.c.readRecord(r.Key)
	if errors.Is(err, errUnreadable) || now == nil {
		return false, nil
	}
	if err != nil || now.Staging != r.Staging || now.State != r.State {
		return false, err
	}
	if now.State == complete {
		why, err := s.doomed(now)
		if why == "" || err != nil {
			return false, err
		}
		if err := s.c.remove(now, why); err != nil {
			return false, err
		}
		s.c.log.Info("Evicted from cache", "path", s.c.abs(now.path()), "target", now.Target, "bytes", now.total(), "reason", why)
		return true, nil
	}
	return true, s.c.remove(now, "its publishing was interrupted")
}

// strayHolds ends holds on entries that do not exist, and expired ones.
func (s *sweep) strayHolds() error {
	c := s.c
	// Nothing in the trash is mounted any more, so that no view there is in use.
	unmounted := func() bool {
		left, err := mounts.Below(path.Join(c.realDir(), trashDir))
		return err == nil && len(left) == 0
	}
	keys, err := c.list(holdsDir)
	if err != nil {
		return err
	}
	records, err := c.written()
	if err != nil {
		return err
	}
	recorded := map[key]bool{}
	for _, r := range records {
		recorded[r.Key] = true
	}
	for _, k := range keys {
		if s.gone[key(k)] {
			continue // its holds go, or went, with it
		}
		if stay, err := s.allStay(key(k)); err != nil {
			return err
		} else if stay && recorded[key(k)] {
			continue
		}
		all, err := c.holds(key(k))
		if err != nil {
			return err
		}
		r, err := c.readRecord(key(k))
		if err != nil && !errors.Is(err, errUnreadable) {
			return err
		}
		for name, h := range all {
			why := ""
			doomed := func(h *hold) bool { return !s.counts(h) }
			switch {
			case s.keeps[name]:
				continue
			case h.live && h.Entry != "" && !c.hasView(h) && unmounted():
				// Another process than the one that made the view cleaned it up, and the
				// view was in use then: nobody was left to end this.
				why = "the view of run " + h.Run + " is gone"
				err := s.did(Removal{Path: c.abs(name), Reason: why}, func() (bool, error) {
					return c.drop(name) || lstat(c.root(), name) == nil, nil // whoever deletes the view may be quicker
				})
				if err != nil {
					return err
				}
				continue
			case h.live:
				continue
			case !s.counts(h):
				if why = s.over(h); why != "" {
					why = "run " + h.Run + " holds it, and " + why
				} else {
					why = "the hold of run " + h.Run + " has expired"
				}
			case r == nil:
				// A hold is made before its entry, by a process that lives until then.
				why = "run " + h.Run + " holds an entry that does not exist"
				// Once its lock is ours there is the entry, or nobody makes it any more.
				doomed = func(*hold) bool {
					r, err := c.readRecord(key(k))
					return r == nil && (err == nil || errors.Is(err, errUnreadable))
				}
			default:
				continue
			}
			err := s.did(Removal{Path: c.abs(name), Reason: why}, func() (bool, error) { return c.dropIf(name, doomed) })
			if err != nil {
				return err
			}
		}
		if !s.opts.DryRun && r == nil {
			_ = c.root().Remove(path.Join(holdsDir, k)) // fails while there are holds in it, as it should
		}
	}
	return nil
}

// lostObjects corrects records of objects that are gone: a crash or a full disk
// kept whoever evicted one from writing it down. The caller has the janitor's lock.
func (s *sweep) lostObjects() error {
	c := s.c
	records, _, err := c.records()
	if err != nil || s.opts.DryRun {
		return err
	}
	for _, r := range records {
		if r.State != complete || r.Content == objectName || !r.spareObject() {
			continue
		}
		if _, err := c.root().Lstat(path.Join(r.Place, objectName)); gone(err) {
			c.evictObject(r, "it is gone already")
		}
	}
	return nil
}

// shrink evicts down to the limit, or to what the caller wants to keep, and until
// the disk has free what is to stay free: as evict, objects first.
func (s *sweep) shrink() error {
	c := s.c
	lock, err := flock.Acquire(s.ctx, c.root(), janitorLock, flock.Exclusive, nil)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := s.lostObjects(); err != nil {
		return err
	}
	a, err := c.account(nil, true, nil)
	if err != nil {
		return err
	}
	keep, why := a.limit, "the cache is over its limit (CACHE_MAX_SIZE)"
	if s.opts.Shrink {
		keep, why = s.opts.KeepBytes, "asked to shrink to "+cordon.FormatBytes(s.opts.KeepBytes)
	}
	if s.plan != nil {
		keep, why = s.plan.Keep, "planned: to shrink to "+cordon.FormatBytes(s.plan.Keep)
	}
	s.shrunk = keep
	left := slices.DeleteFunc(a.records, func(r *record) bool { return s.gone[r.Key] || r.State != complete })
	slices.SortFunc(left, func(a, b *record) int { return a.lastUsed.Compare(b.lastUsed) })
	over := a.reserved - keep
	for _, r := range left {
		over += r.total()
	}
	disk := a.disk(amount{}).minus(a.trash)
	if s.opts.DryRun {
		for key := range s.gone { // they would be in the trash
			if r, err := c.readRecord(key); r != nil && err == nil {
				disk = disk.minus(r.size())
			}
		}
	}
	if over <= 0 {
		why = "the disk has less free than is to stay free (CACHE_MIN_FREE)"
	}
	pins, err := c.pins()
	if err != nil {
		return err
	}
	need := amount{max(over, disk.bytes), disk.inodes}
	spared := map[key]bool{}
	for _, r := range left {
		if !need.any() {
			return nil
		}
		if !r.spareObject() || pins[r.Key] != nil {
			continue
		}
		gone := false
		object := c.removal(r, "the kept object goes first: "+why)
		object.Key, object.Path, object.Bytes = "", c.abs(path.Join(r.Place, objectName)), r.Object // the entry stays
		err := s.did(object, func() (bool, error) {
			gone = c.evictObject(r, why).any()
			return gone, nil
		})
		if err != nil {
			return err
		}
		if gone || s.opts.DryRun {
			spared[r.Key] = true
			need = need.minus(amount{r.Object, 1})
		}
	}
	for _, r := range left {
		if !need.any() {
			return nil
		}
		needed, err := c.needed(r.Key)
		if err != nil {
			return err
		}
		if needed {
			continue
		}
		size := r.size()
		if spared[r.Key] {
			size = size.minus(amount{r.Object, 1})
		}
		entry := c.removal(r, why)
		entry.Bytes = size.bytes
		err = s.did(entry, func() (bool, error) {
			return c.evictEntry(r, why).any(), nil
		})
		if err != nil {
			return err
		}
		if s.gone[r.Key] {
			need = need.minus(size)
		}
	}
	return nil
}
