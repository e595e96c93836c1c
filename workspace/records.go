package workspace

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/beneath"
	"github.com/cordonlabs/cordon/internal/notice"
)

// recordCache keeps what was read of record files, so that looking at all of them
// costs next to nothing where the kernel says which ones changed, and a look at each
// file's inode elsewhere: whoever reserves disk adds them up. A file is replaced,
// never rewritten, so its inode and its last change tell whether it is still the one
// that was read.
type recordCache struct {
	mu         sync.Mutex
	read       map[string]cachedRecord // by file name
	unreadable map[string]bool
	totals     recordTotals
	stamp      dirStamp  // of the look that all of this is as of
	full       time.Time // when every file was looked at last

	watch   *notice.Watch // of the directory that stamp is of, or nil
	blind   bool          // no more watches are to be had
	closing bool
}

type cachedRecord struct {
	inode   uint64
	changed unix.Timespec
	record  *record
}

// watchLife is for how long the kernel's word is taken for what changed: on some
// file systems another kernel may change something too.
const watchLife = time.Minute

// records returns every readable record, complete or not, and the names of the
// record files that cannot be read. The records are the caller's own.
func (c *Cache) records() (list []*record, unreadable []string, err error) {
	known := &c.recordCache
	known.mu.Lock()
	defer known.mu.Unlock()
	if err := c.refreshRecords(true); err != nil {
		return nil, nil, err
	}
	for n := range known.unreadable {
		unreadable = append(unreadable, path.Join(recordsDir, n))
	}
	return known.list(), unreadable, nil
}

// written returns the records as records does, but for their last use, which may
// be an earlier one. The list is the caller's own; the records are everybody's, and
// nobody may change them.
func (c *Cache) written() (list []*record, err error) {
	known := &c.recordCache
	known.mu.Lock()
	defer known.mu.Unlock()
	if err := c.refreshRecords(false); err != nil {
		return nil, err
	}
	list = make([]*record, 0, len(known.read))
	for _, have := range known.read {
		list = append(list, have.record)
	}
	return list, nil
}

func (k *recordCache) list() []*record {
	copies := make([]record, 0, len(k.read))
	all := make([]*record, 0, len(k.read))
	for _, have := range k.read {
		copies = append(copies, *have.record)
		all = append(all, &copies[len(copies)-1])
	}
	return all
}

// close ends the watch, for good.
func (k *recordCache) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closing = true
	k.unwatch()
}

func (k *recordCache) unwatch() {
	if k.watch != nil {
		_ = k.watch.Close() // nothing is lost but what it would have told
		k.watch = nil
	}
}

// refreshRecords brings the record cache, which is locked, up to date; with uses,
// also what was last used when.
func (c *Cache) refreshRecords(uses bool) error {
	d, err := c.root().Open(recordsDir)
	if err != nil {
		return err
	}
	defer d.Close()
	known := &c.recordCache
	// First what changed, then when: what changes between the two is told next time.
	var changed []string
	told := false
	if known.watch != nil && time.Since(known.full) < watchLife {
		changed, told = known.watch.Changes()
	}
	now, err := stampOf(d)
	if err != nil {
		return err
	}
	if told && len(changed) == 0 && known.stamp.same(now) && !known.stamp.unchanged(now) {
		changed, told = known.watch.Changes()
		told = told && len(changed) > 0 // else it was a change that nobody tells of
	}
	switch {
	case told && known.stamp.same(now):
		return c.rereadRecords(d, changed, now)
	case !uses && len(known.unreadable) == 0 && known.stamp.vouchesFor(now):
		return nil
	}
	return c.readRecords(d, now)
}

// readRecords looks at every record file in d, whose stamp is now.
func (c *Cache) readRecords(d *os.File, now dirStamp) error {
	known := &c.recordCache
	known.unwatch()
	if known.read != nil && !known.blind && !known.closing && !c.network {
		// Who looks only once has no use for a watch. What changes from here on is told
		// next time.
		watch, err := notice.On(d)
		known.watch, known.blind = watch, err != nil
	}
	asked := time.Now()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	before := known.read
	known.read, known.unreadable, known.totals = make(map[string]cachedRecord, len(names)), map[string]bool{}, newTotals(len(names))
	found := make([]lookedAt, len(names))
	err = abreast(len(names), func(i int) (err error) {
		found[i], err = c.lookAtRecord(d, names[i], before[names[i]])
		return err
	})
	if err != nil {
		known.read, known.stamp = nil, dirStamp{}
		known.unwatch()
		return err
	}
	for i, n := range names {
		known.add(n, found[i])
	}
	known.stamp, known.full = now, asked
	return nil
}

// rereadRecords looks at the record files in d that are among names, and at those
// that could not be read.
func (c *Cache) rereadRecords(d *os.File, names []string, now dirStamp) error {
	known := &c.recordCache
	for n := range known.unreadable {
		names = append(names, n)
	}
	for _, n := range names {
		before := known.read[n]
		known.forget(n)
		found, err := c.lookAtRecord(d, n, before)
		if err != nil {
			known.unwatch() // what it told is lost: everything is looked at next time
			known.stamp = dirStamp{}
			return err
		}
		known.add(n, found)
	}
	known.stamp = now
	return nil
}

// lookedAt is what a look at a record file found: the zero value where there is none.
type lookedAt struct {
	cachedRecord
	unreadable bool
}

// lookAtRecord looks at the record file n in d; before is what was read of it once.
func (c *Cache) lookAtRecord(d *os.File, n string, before cachedRecord) (lookedAt, error) {
	if strings.HasPrefix(n, ".") {
		return lookedAt{}, nil
	}
	var st unix.Stat_t
	if before.record != nil {
		switch err := unix.Fstatat(int(d.Fd()), n, &st, unix.AT_SYMLINK_NOFOLLOW); {
		case errors.Is(err, fs.ErrNotExist):
			return lookedAt{}, nil
		case err != nil:
			return lookedAt{}, &fs.PathError{Op: "stat", Path: path.Join(recordsDir, n), Err: err}
		}
		if before.inode == st.Ino && before.changed == st.Ctim {
			return lookedAt{cachedRecord: before}, nil
		}
	}
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	b, err := beneath.ReadIn(d, n, mostRecord, buf, &st)
	r, err := decodeRecord(key(strings.TrimSuffix(n, ".json")), b, &st, err)
	switch {
	case errors.Is(err, errUnreadable):
		return lookedAt{unreadable: true}, nil
	case r == nil || err != nil:
		return lookedAt{}, err
	}
	return lookedAt{cachedRecord: cachedRecord{st.Ino, st.Ctim, r}}, nil
}

// add adds the record file n, which the record cache does not have, to it.
func (k *recordCache) add(n string, found lookedAt) {
	switch {
	case found.unreadable:
		k.unreadable[n] = true
	case found.record != nil:
		k.read[n] = found.cachedRecord
		k.totals.add(found.record)
	}
}

// forget takes the record file n out of the record cache.
func (k *recordCache) forget(n string) {
	if have, there := k.read[n]; there {
		k.totals.remove(have.record)
		delete(k.read, n)
	}
	delete(k.unreadable, n)
}
