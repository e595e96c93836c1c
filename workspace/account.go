package workspace

import (
	"cmp"
	"math"
	"slices"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/fsinfo"
)

// defaultMaxSize is the seed's default for CACHE_MAX_SIZE.
const defaultMaxSize = 10 * cordon.GB

// What stays free by default (CACHE_MIN_FREE): a twentieth of the disk, which file
// systems need to stay quick, but no more than what the host's other programs
// are likely to need at once.
const (
	minFreeShare  = 20
	minFreeBytes  = 10 * cordon.GB
	minFreeInodes = 100_000
)

// account is what the records and reservations of all processes add up to, and
// what the disk has.
type account struct {
	limit    int64
	records  []*record // of an exact account
	recorded amount
	others   []reservation
	dead     []reservation // of processes that died; nothing of it counts
	unknown  bool          // others have reserved what cannot be read now
	reserved int64

	space   fsinfo.Space
	floor   amount // stays free
	pending amount // promised to others, and not written yet
	unseen  int64  // of others; perhaps written, and perhaps not out of the free space yet
	trash   amount // free once it is deleted

	deleting bool // this process is in the middle of deleting something
}

func (a *account) used() int64 { return a.recorded.bytes + a.reserved }

// account adds everything up but what s itself has reserved, and the trash but
// for stuck, which cannot be deleted. An exact account leaves out what somebody
// removed by hand. The caller has the janitor's lock.
func (c *Cache) account(s *staging, exact bool, stuck map[string]error) (*account, error) {
	a := &account{}
	var err error
	// The trash before the free space: what goes meanwhile shows up in both, and is
	// waited for in vain. The other way round it would be in neither.
	if a.trash, err = c.inTrash(stuck); err != nil {
		return nil, err
	}
	a.deleting = c.underDeletion.any()
	if a.space, err = fsinfo.SpaceAt(c.dir); err != nil {
		return nil, err
	}
	a.limit, a.floor = c.limit(a.space), c.floor(a.space)
	// Reservations before records: work that is done meanwhile shows up twice, and
	// is told by its staging id. The other way round it would show up not at all.
	all, err := c.reservations()
	if err != nil {
		return nil, err
	}
	a.unknown = slices.ContainsFunc(all.unknown, func(id string) bool { return s == nil || id != s.id })
	var published map[string]bool
	if exact {
		published, err = a.list(c)
	} else {
		var ids []string
		for _, o := range slices.Concat(all.alive, all.dead) {
			ids = append(ids, o.ID)
		}
		a.recorded, published, err = c.totals(ids)
	}
	if err != nil {
		return nil, err
	}
	for _, o := range all.dead {
		if published[o.ID] {
			o.Bytes, o.Inodes = 0, 0 // its record counts
		}
		a.dead = append(a.dead, o)
	}
	for _, o := range all.alive {
		if o.Bytes > 0 && (s == nil || o.ID != s.id) && !published[o.ID] {
			a.others = append(a.others, o)
			a.reserved += o.Bytes
			pending := c.unwritten(o).plus(amount{o.Recent, o.RecentInodes})
			a.pending = a.pending.plus(pending)
			a.unseen += max(o.Unseen-pending.bytes, 0)
		}
	}
	return a, nil
}

// list adds up the records whose entries are there, and returns their staging ids:
// what somebody removed by hand takes no disk and cannot be evicted.
func (a *account) list(c *Cache) (published map[string]bool, err error) {
	records, _, err := c.records()
	if err != nil {
		return nil, err
	}
	a.records = slices.DeleteFunc(records, func(r *record) bool { return r.State == complete && c.missing(r) != "" })
	published = map[string]bool{}
	for _, r := range a.records {
		if r.State == complete {
			a.recorded = a.recorded.plus(r.size())
			published[r.Staging] = true
		}
	}
	return published, nil
}

// limit returns the most bytes that the cache may take.
func (c *Cache) limit(space fsinfo.Space) int64 {
	if c.maxSize.IsZero() {
		return defaultMaxSize
	}
	return c.maxSize.Of(space.Total)
}

// floor returns what is to stay free on the disk.
func (c *Cache) floor(space fsinfo.Space) amount {
	if c.fillDisk {
		return amount{}
	}
	f := amount{min(space.Total/minFreeShare, minFreeBytes), min(space.Inodes/minFreeShare, minFreeInodes)}
	if !c.minFree.IsZero() {
		f.bytes = c.minFree.Of(space.Total)
		if c.minFree.Of(0) == 0 { // a share
			f.inodes = min(c.minFree.Of(space.Inodes), minFreeInodes)
		}
	}
	return f
}

// disk returns how much the disk is short of if more is written on it, beyond
// what is promised and what stays free; less than nothing where it is not. What
// is in the trash is not free yet.
func (a *account) disk(more amount) amount {
	return a.short(a.floor.plus(a.pending).plus(more))
}

// short returns how much less than want is free; less than nothing where it is
// more.
func (a *account) short(want amount) amount {
	short := want.minus(amount{a.space.Free, a.space.FreeInodes})
	if a.space.Inodes == 0 {
		short.inodes = math.MinInt64 / 2 // unknown
	}
	return short
}

// largestHeld returns the n largest entries that runs hold, for people who need
// room, each with one of its holders.
func (c *Cache) largestHeld(records []*record, n int) (list []heldEntry, err error) {
	bySize := slices.SortedFunc(slices.Values(records), func(a, b *record) int { return cmp.Compare(b.total(), a.total()) })
	for _, r := range bySize {
		if len(list) == n {
			break
		}
		if r.State != complete {
			continue
		}
		h, err := c.held(r.Key)
		if err != nil {
			return nil, err
		}
		if h != nil {
			list = append(list, heldEntry{r, h})
		}
	}
	return list, nil
}

// pinnedBytes adds up what is pinned, held or not.
func (c *Cache) pinnedBytes(records []*record) (sum int64, err error) {
	pins, err := c.pins()
	if err != nil || len(pins) == 0 {
		return 0, err
	}
	for _, r := range records {
		if r.State == complete && pins[r.Key] != nil {
			sum += r.total()
		}
	}
	return sum, nil
}

type heldEntry struct {
	record *record
	holder *hold
}
