package workspace

import (
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/fsinfo"
)

// Stats is what can be told of a cache, all processes together, without looking at any
// entry: it costs a look at what has changed of the records, and at the names of holds.
type Stats struct {
	MaxSize      int64 // the limit, in bytes
	Entries      map[Class]Sum
	Holds        int // one for each run and entry
	Pins         int
	Reservations int   // pieces of work under way, and
	Reserved     int64 // what they have been promised, in bytes
	Trash        int   // things that wait for their deletion
	TrashBytes   int64 // what is known of their size

	DiskFree, DiskTotal, MinFree int64 // MinFree stays free
	InodesFree, InodesTotal      int64 // 0 where the file system makes them as it needs them
	MinFreeInodes                int64
}

// Class is what entries are counted by.
type Class struct {
	Kind Kind
	Mode cordon.Mode // of runs' own; "" of all others
}

// Sum is a number of entries, and what they take by their records.
type Sum struct {
	Entries int
	Bytes   int64
}

// Stats adds up what the cache has. It takes no lock that others wait for, so that what
// changes meanwhile may be in it or not.
func (c *Cache) Stats() (Stats, error) {
	s, err := c.stats()
	return s, diskError("count what is in the cache", c.dir, err)
}

func (c *Cache) stats() (s Stats, err error) {
	if err := errors.Join(c.revive(), c.rebuild()); err != nil {
		return s, err
	}
	space, err := fsinfo.SpaceAt(c.dir)
	if err != nil {
		return s, err
	}
	floor := c.floor(space)
	s.MaxSize, s.MinFree, s.MinFreeInodes = c.limit(space), floor.bytes, floor.inodes
	s.DiskFree, s.DiskTotal, s.InodesFree, s.InodesTotal = space.Free, space.Total, space.FreeInodes, space.Inodes
	records, err := c.written()
	if err != nil {
		return s, err
	}
	s.Entries = map[Class]Sum{}
	for _, r := range records {
		if r.State != complete {
			continue
		}
		class := Class{Kind: r.Kind}
		if r.Kind == KindRun {
			class.Mode = r.Mode
		}
		sum := s.Entries[class]
		s.Entries[class] = Sum{sum.Entries + 1, sum.Bytes + r.total()}
	}
	if s.Holds, err = c.countHolds(); err != nil {
		return s, err
	}
	making, err := c.Making()
	if err != nil {
		return s, err
	}
	for _, m := range making {
		s.Reservations++
		s.Reserved += m.Reserved
	}
	pins, err := c.list(pinsDir)
	if err != nil {
		return s, err
	}
	s.Pins = len(pins)
	trash, err := c.list(trashDir)
	if err != nil {
		return s, err
	}
	for _, name := range trash {
		s.Trash++
		s.TrashBytes += trashSize(name).bytes
	}
	return s, nil
}

// countHolds counts the files of holds. Whether one has expired is a sweep's to find out.
func (c *Cache) countHolds() (int, error) {
	top, err := c.root().Open(holdsDir)
	if err != nil {
		return 0, err
	}
	defer top.Close()
	keys, err := top.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	var n atomic.Int64
	err = abreast(len(keys), func(i int) error {
		d, err := openAt(top, keys[i], os.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return ignoreGone(err)
		}
		defer d.Close()
		names, err := d.Readdirnames(-1)
		for _, name := range names {
			if !strings.HasPrefix(name, ".") {
				n.Add(1)
			}
		}
		return ignoreGone(err)
	})
	return int(n.Load()), err
}

// Making is a piece of work under way, of any process: an entry that is being made.
type Making struct {
	What     string    `json:"what"` // for people
	Since    time.Time `json:"since"`
	Reserved int64     `json:"reserved"` // bytes of disk that are promised to it
	Object   int64     `json:"object"`   // of the object that is fetched for it, by the disk it takes; 0: none is
	Arrived  int64     `json:"arrived"`  // of that, so far
}

// Making lists what is being made, the eldest first.
func (c *Cache) Making() ([]Making, error) {
	all, err := c.reservations()
	if err != nil {
		return nil, diskError("list what is being made", c.dir, err)
	}
	list := []Making{}
	for _, r := range all.alive {
		if r.Bytes > 0 {
			list = append(list, Making{What: r.What, Since: r.Since, Reserved: r.Bytes, Object: r.Object, Arrived: r.Object - c.unwritten(r).bytes})
		}
	}
	slices.SortFunc(list, func(a, b Making) int { return a.Since.Compare(b.Since) })
	return list, nil
}
