package workspace

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// recordTotals is what the complete records add up to: all that a reservation has
// to know of them while there is room. As long as the records' directory did not
// change, they did not either, for a record is replaced, never rewritten; only
// their last use may have, which is no part of this.
type recordTotals struct {
	sum       amount
	published map[string]bool // staging ids of complete records; not to be written

	stamp dirStamp
}

// totals returns what the records add up to now.
func (c *Cache) totals() (recordTotals, error) {
	known := &c.recordCache
	known.mu.Lock()
	defer known.mu.Unlock()
	err := c.refreshRecords()
	return known.totals, err
}

// written returns the records as records does, but for their last use, which may
// be an earlier one.
func (c *Cache) written() (list []*record, err error) {
	known := &c.recordCache
	known.mu.Lock()
	defer known.mu.Unlock()
	if err := c.refreshRecords(); err != nil {
		return nil, err
	}
	return known.list(), nil
}

// refreshRecords brings the record cache, which is locked, up to date but for what
// was last used when.
func (c *Cache) refreshRecords() error {
	d, err := c.root().Open(recordsDir)
	if err != nil {
		return err
	}
	defer d.Close()
	now, err := stampOf(d)
	if err != nil {
		return err
	}
	if !c.recordCache.totals.stamp.vouchesFor(now) {
		_, err = c.readRecords()
	}
	return err
}

func totalsOf(all map[string]cachedRecord, stamp dirStamp) recordTotals {
	t := recordTotals{published: make(map[string]bool, len(all)), stamp: stamp}
	for _, have := range all {
		if r := have.record; r.State == complete {
			t.sum = t.sum.plus(r.size())
			t.published[r.Staging] = true
		}
	}
	return t
}

// dirStamp is which directory was looked at, when it had last changed, and when
// that was asked: before its names were read.
type dirStamp struct {
	dev, inode uint64
	changed    time.Time
	asked      time.Time
}

const (
	// clockGrain is longer than any kernel lets pass between two times that it stamps
	// files with (10 ms at 100 Hz): what changed within it may have changed again
	// without another stamp.
	clockGrain = 50 * time.Millisecond

	// stampLife bounds for how long a stamp is believed: somebody may set the clock
	// back, so that another change gets the very same one.
	stampLife = 10 * time.Second
)

func stampOf(d *os.File) (dirStamp, error) {
	asked := time.Now() // the kernel's clock, whatever the cache's is
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return dirStamp{}, &os.PathError{Op: "stat", Path: d.Name(), Err: err}
	}
	return dirStamp{uint64(st.Dev), st.Ino, time.Unix(st.Mtim.Unix()), asked}, nil //nolint:unconvert // of another width elsewhere
}

// vouchesFor reports whether nothing in the directory changed between s and now.
func (s dirStamp) vouchesFor(now dirStamp) bool {
	return s.dev == now.dev && s.inode == now.inode && s.changed.Equal(now.changed) &&
		s.asked.Sub(s.changed) > clockGrain && now.asked.Sub(s.asked) < stampLife
}
