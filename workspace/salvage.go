package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/durable"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// What a run's tools find lies in its workspace at first: crash inputs, a corpus.
// Whoever starts such a tool says before that it has to be saved, and how, by a
// note beside the entry, out of the tool's reach. From then on nothing takes the
// workspace away, no cleanup, eviction or sweep, until it was saved or the one who
// noted it takes the note back (CONTRACT §7, row 16).

// Salvage saves what the run's own workspace e holds, as note says. What was
// saved already must do no harm if it is saved again. The tree is what hostile code
// left: it is to be read without following links, regular files only, capped.
type Salvage func(ctx context.Context, e Entry, note []byte) error

// salvageTime bounds the saving of one workspace. A store that cannot be reached
// must not keep a sweep from the others.
const salvageTime = 5 * time.Minute

// maxSalvageNote bounds a note. It says where to look, not what is there.
const maxSalvageNote = 64 << 10

func salvageFile(k key) string { return path.Join(salvageDir, string(k)) }

// RequireSalvage notes that the run's own workspace at path must not go before
// Options.Salvage was called with note and succeeded. Another note replaces it.
// The error is a TargetNotFound *cordon.Error where path is no run's own workspace.
func (c *Cache) RequireSalvage(ctx context.Context, path string, note []byte) error {
	if len(note) > maxSalvageNote {
		return fmt.Errorf("a note of %d bytes for salvage: %d are accepted", len(note), maxSalvageNote)
	}
	return c.withOwn(ctx, path, "note for salvage", func(r *record) error {
		return durable.WriteFile(c.root(), salvageFile(r.Key), note)
	})
}

// Salvage saves what the run's own workspace at path holds, if that was required,
// and reports whether nothing is left to be saved. Unlike a sweep it does so while
// the run may still work there.
func (c *Cache) Salvage(ctx context.Context, path string) error {
	err := c.withOwn(ctx, path, "salvage", func(r *record) error {
		note, err := c.salvageNote(r.Key)
		if note == nil || err != nil {
			return err
		}
		return c.salvage(ctx, r, note)
	})
	if cordon.KindOf(err) == cordon.TargetNotFound {
		return nil // nothing there that could be lost
	}
	return err
}

// Salvaged takes back what RequireSalvage noted: the workspace may go.
func (c *Cache) Salvaged(ctx context.Context, path string) error {
	return c.withOwn(ctx, path, "end salvage", func(r *record) error { return c.endSalvage(r.Key) })
}

// withOwn calls do with the record of the run's own workspace at path, which is
// neither made nor removed meanwhile.
func (c *Cache) withOwn(ctx context.Context, path, op string, do func(*record) error) error {
	k, shared, why := c.locate(path)
	if why == "" && shared {
		why = "it is shared, and no run's own"
	}
	if why == "" {
		lock, err := flock.Acquire(ctx, c.root(), runLock(k), flock.Shared, nil)
		if err != nil {
			return diskError(op, path, err)
		}
		defer c.heed(k) // a cleanup may meet the lock
		defer lock.Unlock()
		r, err := c.current(k)
		if err != nil {
			return diskError(op, path, err)
		}
		if r != nil {
			return diskError(op, path, do(r))
		}
		why = "the cache has no workspace there (any more)"
	}
	return &cordon.Error{Kind: cordon.TargetNotFound, Op: op, Name: fmt.Sprintf("%.200q", path), Err: errors.New(why),
		Fix: "give the path of an isolated or copy-on-write workspace that get_target returned"}
}

// salvageNote returns what is noted of k, or nil.
func (c *Cache) salvageNote(k key) ([]byte, error) {
	note, err := c.root().ReadFile(salvageFile(k))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if note == nil {
		note = []byte{}
	}
	return note, err
}

func (c *Cache) endSalvage(k key) error { return ignoreGone(c.root().Remove(salvageFile(k))) }

// salvage saves r's workspace and takes back the note. The caller has the run's lock.
func (c *Cache) salvage(ctx context.Context, r *record, note []byte) error {
	if c.save == nil {
		return errNoSalvage
	}
	// Of a view that is not mounted nothing is to be seen, and nothing would be saved.
	if err := c.attached(r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, salvageTime)
	defer cancel()
	e, err := c.entry(r, nil)
	if err != nil {
		return err
	}
	if err := c.save(ctx, e, note); err != nil {
		return fmt.Errorf("save what the run found: %w", err)
	}
	c.log.Info("saved what a run found before its workspace goes", "path", e.Path, "target_id", r.Target, "run_id", r.Run)
	c.event(event{Action: "salvage", Key: r.Key, Path: r.path(), Reason: "what its run found is saved"})
	return c.endSalvage(r.Key)
}

var errNoSalvage = errors.New("what its run found has to be saved first, which only a worker can do")

// owing is the pin of an entry that has to be saved: whatever spares what is pinned
// spares that too.
func owing() *Pin {
	return &Pin{By: "its run", Reason: "what it found is not in the store yet; a worker's sweep saves it once the run is over", salvage: true}
}

// owes reports whether k has to be saved.
func (c *Cache) owes(k key) (bool, error) {
	_, err := c.root().Lstat(salvageFile(k))
	return err == nil, ignoreGone(err)
}

// owed returns all keys of which something is noted.
func (c *Cache) owed() ([]key, error) {
	names, err := c.list(salvageDir)
	if err != nil {
		return nil, err
	}
	keys := make([]key, len(names))
	for i, n := range names {
		keys[i] = key(n)
	}
	return keys, nil
}

// salvage saves the workspaces that would go now if they had nothing to be saved, so
// that they do. What cannot be saved stays, and is tried again by the next sweep.
func (s *sweep) salvage() error {
	c := s.c
	keys, err := c.owed()
	if err != nil {
		return err
	}
	// A store that hangs takes the time of all together, and not the same one first
	// each time.
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	began := time.Now()
	for _, k := range keys {
		if s.ctx.Err() != nil || time.Since(began) > salvageTime {
			return nil
		}
		r, err := c.readRecord(k)
		if err != nil && !errors.Is(err, errUnreadable) {
			return err
		}
		if r == nil || r.Kind != KindRun {
			if err == nil && !s.opts.DryRun {
				if err := c.endSalvage(k); err != nil {
					return err
				}
			}
			continue
		}
		if err := s.salvageOne(r); err != nil {
			return err
		}
	}
	return nil
}

func (s *sweep) salvageOne(r *record) error {
	c := s.c
	why, err := s.unneeded(r)
	if why == "" || err != nil {
		return err
	}
	if s.opts.DryRun {
		s.saved[r.Key] = true
		return nil
	}
	if s.plan != nil && !s.plan.known[c.removal(r, why).identity()] {
		return nil
	}
	ok, err := s.saveIdle(r)
	switch {
	case err != nil:
		c.log.Warn("cannot save what a run found; its workspace stays, and the next sweep tries again", "path", c.abs(r.path()), "target_id", r.Target, "run_id", r.Run, "error", err)
		why += ": " + err.Error()
		fallthrough
	case !ok:
		s.report.Deferred = append(s.report.Deferred, c.removal(r, why))
	}
	return nil
}

// saveIdle saves r's workspace, and reports whether it could: nobody has it, and
// once its lock is ours nobody wants it still.
func (s *sweep) saveIdle(r *record) (bool, error) {
	c := s.c
	defer c.heed(r.Key)
	lock, err := flock.Try(c.root(), r.lock(), flock.Exclusive)
	if lock == nil || err != nil {
		return false, err
	}
	defer lock.Unlock()
	now, err := c.current(r.Key)
	if now == nil || err != nil || now.Staging != r.Staging {
		return false, err
	}
	if why, err := s.unneeded(now); why == "" || err != nil {
		return false, err
	}
	note, err := c.salvageNote(r.Key)
	if note == nil || err != nil {
		return err == nil, err
	}
	if c.save != nil && errors.Is(c.attached(now), driver.ErrDetached) {
		if err := c.reattach(s.ctx, now); err != nil {
			return true, err
		}
	}
	return true, c.salvage(s.ctx, now, note)
}
