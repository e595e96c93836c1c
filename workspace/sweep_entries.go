package workspace

import (
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/workspace/driver"
)

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
	broken := make([]string, len(records))
	err = abreast(len(records), func(i int) (err error) {
		if s.ctx.Err() == nil {
			broken[i], err = s.broken(records[i])
		}
		return err
	})
	if err != nil {
		return err
	}
	for i, r := range records {
		if s.ctx.Err() != nil {
			return nil
		}
		why := broken[i]
		if why == "" && r.State == complete {
			s.stands[r.Staging] = true
			why, err = s.spent(r)
		}
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

// doomed says why r's entry should go; no why: it should not.
func (s *sweep) doomed(r *record) (cause Cause, why string, err error) {
	why, err = s.broken(r)
	switch {
	case r.State != complete:
		return Interrupted, why, err
	case why != "" || err != nil:
		return Lost, why, err
	case r.Kind == KindRun:
		cause = RunOver
	default:
		cause = Unused
	}
	why, err = s.spent(r)
	return cause, why, err
}

// spent says why r's entry, which is not broken, should go, or "": nobody needs it,
// and what its tools found is saved.
func (s *sweep) spent(r *record) (string, error) {
	why, err := s.unneeded(r)
	if why == "" || err != nil || s.saved[r.Key] {
		return why, err
	}
	if owes, err := s.c.owes(r.Key); owes || err != nil {
		return "", err
	}
	return why, nil
}

// broken says why r's entry cannot be used by anybody, or "".
func (s *sweep) broken(r *record) (string, error) {
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
	return "", nil
}

// unneeded says why nobody needs r's entry any more, or "".
func (s *sweep) unneeded(r *record) (string, error) {
	c := s.c
	idle := c.now().Sub(r.lastUsed)
	if r.Kind != KindRun && (c.ttl <= 0 || idle <= c.ttl+useSlack) {
		return "", nil // held or not
	}
	held, over, err := s.held(r.Key)
	if held || err != nil {
		return "", err
	}
	if pin, err := c.pinned(r.Key); pin != nil || err != nil {
		return "", err
	}
	switch {
	case r.Kind == KindRun && over != "":
		return over, nil
	case r.Kind == KindRun:
		return "no run holds it any more", nil
	}
	return "not used for " + idle.Round(time.Minute).String() + " (CACHE_TTL)", nil
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
		cause, why, err := s.doomed(now)
		if why == "" || err != nil {
			return false, err
		}
		if err := s.c.remove(now, cause, why); err != nil {
			return false, err
		}
		s.c.log.Info("Evicted from cache", "path", s.c.abs(now.path()), "target_id", now.Target, "bytes", now.total(), "reason", why)
		return true, nil
	}
	return true, s.c.remove(now, Interrupted, "its publishing was interrupted")
}
