package workspace

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/diskusage"
	"github.com/cordonlabs/cordon/internal/durable"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/internal/fsinfo"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// A run's own directory grows and shrinks while its tools work. Its record follows:
// the sweep and Watch measure it, and the deletion of it says what was freed.
// Nobody measures where somebody waits.

// growth is what a record knows of how its entry grows.
type growth struct {
	// Price is what the entry took on disk when it was published, in bytes. Where a
	// driver's views share blocks with their base, that and what has changed since
	// is what a view takes.
	Price int64 `json:"price"`

	// Since is when it was published by the clock that the kernel stamps files with
	// (ctime, in nanoseconds): no other can be compared with theirs.
	Since int64 `json:"since"`

	Measured time.Time `json:"measured,omitzero"` // last; zero: never
	Over     bool      `json:"over_limit,omitempty"`
}

// grows reports whether what r's entry takes can change, and be measured.
func (r *record) grows() bool {
	return r.State == complete && r.Kind == KindRun && !r.ReadOnly && r.Growth.Since != 0
}

// sharesBlocks reports whether the files of r's entry have blocks in common with
// its base's: the kernel tells of none of them whose it is.
func (r *record) sharesBlocks() bool {
	d := driver.Named(r.Driver)
	return d != nil && d.Traits().SharesBlocks
}

// extent is what an entry takes on disk, as its record has it.
type extent struct {
	bytes, object, inodes int64
}

func (e extent) total() int64 { return e.bytes + e.object }

// measure returns what r's entry takes at the moment. The error is fs.ErrNotExist
// if the entry is not there any more, and the cause of a ctx that ended: then the
// extent is what was seen until then.
func (c *Cache) measure(ctx context.Context, r *record) (extent, error) {
	dir, err := openTree(c.root(), r.Place)
	if err != nil {
		return extent{}, err
	}
	defer dir.Close()
	return r.measureIn(ctx, dir)
}

// measureIn is measure for an entry whose directory is dir, wherever that is by now.
// Views by mounting drivers are measured by what they are made of beside the mount:
// what is mounted is the base's.
func (r *record) measureIn(ctx context.Context, dir *os.File) (extent, error) {
	id, err := fsinfo.Identify(int(dir.Fd()), "", unix.AT_EMPTY_PATH)
	if err == nil && id != r.Identity.Dir {
		err = fs.ErrNotExist // somebody else's
	}
	if err != nil {
		return extent{}, err
	}
	shares := r.sharesBlocks()
	var m diskusage.Meter
	if shares {
		m.Since = r.Growth.Since
	}
	err = m.Below(ctx, dir)
	e := extent{bytes: m.Bytes, inodes: m.Inodes}
	var st unix.Stat_t
	switch {
	case shares:
		e.bytes += r.Growth.Price
	case r.Content != objectName && unix.Fstatat(int(dir.Fd()), objectName, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG:
		e.object = min(st.Blocks*512, e.bytes) // beside the tree, as it was published; the record has it apart
		e.bytes -= e.object
		e.inodes--
	}
	return e, err
}

// note writes into r's record what was measured, and says so when that takes the
// entry past its limit, or back. A measurement that is not whole only ever adds.
// Whoever has the entry's lock is about to change or to remove it: then nothing is
// written, and the next measurement has its turn.
func (c *Cache) note(r *record, e extent, whole bool) error {
	defer c.heed(r.Key)
	lock, err := flock.Try(c.root(), r.lock(), flock.Exclusive)
	if lock == nil || err != nil {
		return err
	}
	defer lock.Unlock()
	now, err := c.readRecord(r.Key)
	if errors.Is(err, errUnreadable) || now == nil {
		return nil
	}
	if err != nil || now.State != complete || now.Staging != r.Staging {
		return err
	}
	if whole {
		now.Bytes, now.Object, now.Inodes = e.bytes, e.object, e.inodes
	} else {
		now.Bytes, now.Inodes = max(now.Bytes, e.total()-now.Object), max(now.Inodes, e.inodes)
	}
	was := now.Growth.Over
	now.Growth.Measured, now.Growth.Over = c.now().UTC(), now.overLimit(now.total())
	if err := c.rewriteRecord(now); err != nil {
		return err
	}
	if now.Growth.Over != was {
		c.tellLimit(now)
	}
	return nil
}

// rewriteRecord writes r, which was read, anew, without making its entry look
// used. The caller has the entry's lock. Where the old one may have reached the
// disk, the new one does too: a power failure must not take both.
func (c *Cache) rewriteRecord(r *record) error {
	write := c.writeRecord
	if r.settles() && !c.bound {
		write = c.writeRecordThrough
	}
	if err := write(r); err != nil {
		return err
	}
	return c.root().Chtimes(recordFile(r.Key), r.lastUsed, r.lastUsed)
}

func (c *Cache) writeRecordThrough(r *record) error {
	b, err := r.encode()
	if err != nil {
		return err
	}
	return durable.WriteFile(c.root(), recordFile(r.Key), b)
}

// growthAge is how long after an entry was published, or measured, a sweep measures
// it: its size is known then, or as good as known. Sweeps are half an hour apart.
const growthAge = 5 * time.Minute

// measureBudget is how long a sweep goes on measuring one entry after the other:
// ten million files or so, and one in any case. Those that it does not get round to
// come first next time.
const measureBudget = 10 * time.Second

// measureLongest is how long the measuring of one entry may take. A run that keeps
// moving its directories about could keep it busy for ever.
const measureLongest = time.Minute

// grown measures the entries that may have grown, the least recently measured first.
func (s *sweep) grown() error {
	c := s.c
	if s.opts.DryRun {
		return nil
	}
	records, err := c.written()
	if err != nil {
		return err
	}
	var problems []error
	begin := time.Now()
	for i, r := range c.dueForMeasuring(records) {
		if s.ctx.Err() != nil || i > 0 && time.Since(begin) > c.measureBudget {
			break
		}
		if c.rests(r) || c.missing(r) != "" {
			continue
		}
		ctx, cancel := context.WithTimeout(s.ctx, measureLongest)
		e, err := c.measure(ctx, r)
		whole := ctx.Err() == nil
		cancel()
		switch {
		case gone(err) || s.ctx.Err() != nil:
			continue
		case err != nil && whole:
			problems = append(problems, &fs.PathError{Op: "measure", Path: c.abs(r.Place), Err: err})
			continue
		}
		if err := c.note(r, e, whole); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// dueForMeasuring returns those of records whose entries a sweep should measure, in
// order.
func (c *Cache) dueForMeasuring(records []*record) []*record {
	now := c.now()
	due := slices.DeleteFunc(records, func(r *record) bool {
		return !r.grows() || now.Sub(r.sizedAt()) < growthAge
	})
	slices.SortFunc(due, func(a, b *record) int { return a.sizedAt().Compare(b.sizedAt()) })
	return due
}

// sizedAt returns when it was last known what r's entry takes.
func (r *record) sizedAt() time.Time {
	if r.Growth.Measured.IsZero() {
		return r.Created
	}
	return r.Growth.Measured
}

// rests reports whether r's entry is as it was when it was measured: it is kept of
// runs that had failed by then.
func (c *Cache) rests(r *record) bool {
	all, err := c.holds(r.Key)
	for _, h := range all {
		if h.live || h.Kept == nil || !r.Growth.Measured.After(h.Kept.Until.Add(-c.holdLife())) {
			return false
		}
	}
	return err == nil && len(all) > 0
}
