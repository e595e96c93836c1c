package workspace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
)

// Somebody who waits for others to give disk back looks again after the first of
// these, and then ever later: each look takes the janitor's lock and goes through all
// entries.
const (
	firstRoomPoll = 50 * time.Millisecond
	lastRoomPoll  = 500 * time.Millisecond
)

// freeing is how long the disk may take until it shows as free what was deleted:
// another process may have been deleting the same, and be in the middle of a large
// file. Nothing more is evicted meanwhile.
const freeing = time.Second

// vaguePatience is how long somebody waits for deletions that do not show in the free
// space, and for a promise that cannot be read: a disk that is full to its last block
// may refuse both.
const vaguePatience = 20 * time.Second

// underWay is how much of what was promised before the last time may not be
// written yet: extraction asks for an entry when it reads it, and has up to so
// much in its workers' hands.
var underWay = amount{8 << 20, 512}

// need reserves more for s, evicting what nobody holds where CACHE_MAX_SIZE or
// CACHE_MIN_FREE ask for it. Both are hard: what does not fit is NoSpace before it
// is written, and TargetTooLarge if it could not fit into an empty cache.
func (s *staging) need(ctx context.Context, more amount) error {
	if err := s.within(s.note.Bytes + more.bytes); err != nil {
		return err
	}
	return s.reserve(ctx, more, 0)
}

// needObject is need for an object of size bytes that arrives in the entry's file.
func (s *staging) needObject(ctx context.Context, size int64) error {
	if err := s.within(s.note.Bytes + blocks(size)); err != nil {
		return err
	}
	return s.reserve(ctx, amount{blocks(size), 1}, blocks(size))
}

func (s *staging) reserve(ctx context.Context, more amount, object int64) error {
	stuck := map[string]error{} // in the trash, and cannot be deleted
	var emptied time.Time
	var vague time.Time // since when nobody can say how much is coming
	var seen *int64     // what the free space shows of the object, where it was brought up to date
	pause := firstRoomPoll
	for {
		tired := !vague.IsZero() && time.Since(vague) > vaguePatience
		short, err := s.tryReserve(ctx, more, object, seen, stuck, time.Since(emptied) < freeing, tired)
		seen = nil
		switch {
		case short == nil || !short.vague:
			vague = time.Time{}
		case vague.IsZero():
			vague = time.Now()
		}
		switch {
		case err != nil || short == nil:
			return err
		case short.stale:
			arrived := s.note.Object - s.c.unwritten(s.note).bytes
			seen = &arrived
			s.c.syncDisk()
		case short.deleting:
			s.c.freeTrash(ctx, stuck)
			emptied = time.Now()
		case short.disk && !s.synced:
			// Some file systems count late what was deleted a moment ago. Once is enough:
			// extraction asks for less where it is refused, again and again.
			s.c.freeTrash(ctx, stuck)
			s.synced = true
			select {
			case <-ctx.Done():
			case <-time.After(lastRoomPoll):
			}
		case !short.wait:
			return short.err
		default:
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, lastRoomPoll)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// shortage is why a reservation cannot be made now.
type shortage struct {
	err      error
	wait     bool // somebody else may give room back
	deleting bool // there will be room once the trash is deleted
	stale    bool // what is free has to be brought up to date first
	disk     bool // it is the disk that is short
	vague    bool // nobody can say how much room is coming
}

// tryReserve is one attempt of reserve. The free space shows everything that was
// written, and seen bytes of the object, unless seen is nil. With patient, a disk that
// has too little free is about to have more; with tired, nothing is waited for any more
// that nobody can say how much it gives.
func (s *staging) tryReserve(ctx context.Context, more amount, object int64, seen *int64, stuck map[string]error, patient, tired bool) (*shortage, error) {
	c := s.c
	lock, err := flock.Acquire(ctx, c.root(), janitorLock, flock.Exclusive, nil)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()

	want := s.note
	want.Bytes += more.bytes
	want.Inodes += more.inodes
	want.Object += object
	lag := amount{min(s.note.Recent, underWay.bytes), min(s.note.RecentInodes, underWay.inodes)}
	want.Recent, want.RecentInodes = more.bytes-object+lag.bytes, more.inodes+lag.inodes
	// What is promised and not written besides what is asked for now.
	unwritten := lag.plus(c.unwritten(s.note))
	writing := more.plus(unwritten)

	// What the records say is enough where there is room. Whether their entries are
	// all in place is only looked at where there is none.
	a, err := c.account(s, false, stuck)
	if err == nil && a.used()+want.Bytes > a.limit {
		a, err = c.account(s, true, stuck)
	}
	if err != nil {
		return nil, err
	}
	a.trash = a.trash.plus(c.clearDead(a.dead))
	if a.unknown && !tired {
		return &shortage{wait: true, vague: true}, nil // whoever has it writes it again, or gives up
	}
	over, disk := a.used()+want.Bytes-a.limit, a.disk(writing)
	if a.space.Late {
		unseen := s.note.Unseen
		if seen != nil {
			unseen = lag.bytes + s.note.Object - *seen
		} else if disk.bytes+a.unseen+max(unseen-unwritten.bytes, 0) > 0 {
			return &shortage{stale: true}, nil
		}
		want.Unseen = unseen + more.bytes
	}
	if patient && over <= 0 && disk.any() && !a.trash.covers(disk) {
		return &shortage{wait: true}, nil
	}
	least := amount{max(over, disk.bytes-a.trash.bytes), disk.inodes - a.trash.inodes}
	if least.any() && over <= 0 && a.deleting && !tired {
		return &shortage{deleting: true, vague: true}, nil // nobody knows how much that gives: nothing goes instead
	}
	if least.any() {
		if a.records == nil {
			if a.records, _, err = c.records(); err != nil {
				return nil, err
			}
		}
		var freed amount
		if !s.modest {
			freed, err = c.evict(a.records, least, over+a.limit/lowWatermark, causeOf(over), "room for "+s.what)
		}
		if err != nil {
			return nil, err
		}
		if !freed.covers(least) {
			return c.shortage(a, s, want, over, disk)
		}
	}
	if disk.any() {
		if tired {
			return c.shortage(a, s, want, over, disk)
		}
		return &shortage{deleting: true, vague: true}, nil
	}
	return nil, s.promise(want)
}

// causeOf says what is made room for by something that takes the cache so many bytes
// over its limit.
func causeOf(over int64) Cause {
	if over > 0 {
		return ForLimit
	}
	return ForDisk
}

func (c *Cache) shortage(a *account, s *staging, want reservation, over int64, disk amount) (*shortage, error) {
	size := cordon.FormatBytes
	if want.Bytes > a.limit {
		return &shortage{err: &cordon.Error{Kind: cordon.TargetTooLarge, Op: "reserve disk",
			Err: fmt.Errorf("needs %s or more, and the whole cache may take %s", size(want.Bytes), size(a.limit)),
			Fix: "raise CACHE_MAX_SIZE"}}, nil
	}
	eldest := !slices.ContainsFunc(a.others, func(o reservation) bool { return o.elder(s.note) })
	if s.note.Bytes == 0 || eldest {
		if wait, err := c.mayCome(a, s, over, disk); wait || err != nil {
			return &shortage{wait: true}, err
		}
	}
	e := &cordon.Error{Kind: cordon.NoSpace, Op: "reserve disk"}
	if over > 0 {
		e.Err = fmt.Errorf("needs %s, of which %s do not fit: of %s (CACHE_MAX_SIZE) the cache has %s and work under way has reserved %s",
			size(want.Bytes), size(over), size(a.limit), size(a.recorded.bytes), size(a.reserved))
		e.Fix = "wait for runs to end, clean up their workspaces ('cordon cache ls' shows who holds what), or raise CACHE_MAX_SIZE"
	} else {
		e.Err = a.diskShort(amount{want.Bytes, want.Inodes}, disk)
		e.Fix = "free the disk of what is not the cache's, wait for runs to end, clean up their workspaces ('cordon cache ls' shows who holds what), or lower CACHE_MIN_FREE"
	}
	pinned, err := c.pinnedBytes(a.records)
	if err != nil {
		return nil, err
	}
	if pinned > 0 {
		e.Err = fmt.Errorf("%w; %s are pinned", e.Err, size(pinned))
		e.Fix += ", or unpin what need not stay"
	}
	most, err := c.largestHeld(a.records, 3)
	if err != nil {
		return nil, err
	}
	if len(most) > 0 {
		var who []string
		for _, h := range most {
			who = append(who, size(h.record.total())+" by "+h.holder.who())
		}
		e.Err = fmt.Errorf("%w; the most is held %s", e.Err, strings.Join(who, ", "))
	}
	return &shortage{err: e, disk: over <= 0}, nil
}

// mayCome reports whether what s is short of would be there if all others gave back
// what they have reserved, written or not.
func (c *Cache) mayCome(a *account, s *staging, over int64, disk amount) (bool, error) {
	if len(a.others) == 0 {
		return false, nil
	}
	back := amount{}
	for _, o := range a.others {
		back = back.plus(amount{o.Bytes, o.Inodes})
	}
	disk = disk.minus(a.trash)
	enough := func() bool { return over <= back.bytes && back.covers(disk) }
	if enough() || s.modest {
		return enough(), nil
	}
	idle, err := c.reclaimable(a.records)
	back = back.plus(idle)
	return enough(), err
}

// diskShort says which of bytes and inodes the disk is short of for somebody who
// wants so much in all.
func (a *account) diskShort(want, disk amount) error {
	if disk.bytes <= 0 {
		return fmt.Errorf("needs %d inodes, and the disk is short of %d: %d are free, of which %d stay free (CACHE_MIN_FREE) and %d are promised to work under way",
			want.inodes, disk.inodes, a.space.FreeInodes, a.floor.inodes, a.pending.inodes)
	}
	size := cordon.FormatBytes
	return fmt.Errorf("needs %s, and the disk is short of %s: %s are free, of which %s stay free (CACHE_MIN_FREE) and %s are promised to work under way; the cache has %s",
		size(want.bytes), size(disk.bytes), size(a.space.Free), size(a.floor.bytes), size(a.pending.bytes), size(a.recorded.bytes))
}

// who names a hold's run, for people.
func (h *hold) who() string {
	if h.Owner.WorkflowID != "" {
		return "workflow " + h.Owner.WorkflowID + " (run " + h.Run + ")"
	}
	return "run " + h.Run
}

// relief is what has to be free for what the cache writes for its own use, outside of
// every reservation: where a stranger fills the disk, that has no room. It is plenty.
var relief = amount{1 << 20, 64}

// relieve makes room after the disk refused a write with the error why, and reports
// whether trying again makes sense. Others may have had the same error, and made
// the room already.
func (c *Cache) relieve(ctx context.Context, why error) bool {
	stuck := map[string]error{}
	for {
		lacks, err := c.relieveOnce(ctx, stuck)
		if err != nil {
			return false
		}
		if !lacks {
			return !mounting(why)
		}
		known := len(stuck)
		c.freeTrash(ctx, stuck)
		if len(stuck) == known { // else it may be that which was counted on
			return ctx.Err() == nil
		}
	}
}

// relieveOnce has in the trash what the disk lacks, but for stuck, which cannot be
// deleted, and reports whether the disk lacks anything.
func (c *Cache) relieveOnce(ctx context.Context, stuck map[string]error) (lacks bool, err error) {
	lock, err := flock.Acquire(ctx, c.root(), janitorLock, flock.Exclusive, nil)
	if err != nil {
		return false, err
	}
	defer lock.Unlock()
	a, err := c.account(nil, true, stuck)
	if err != nil {
		return false, err
	}
	lack := a.short(relief)
	least := lack.minus(a.trash)
	if !least.any() {
		return lack.any(), nil
	}
	// Some file systems make inodes of free bytes: on one that is full both are
	// lacking, and the bytes of an entry with few files are all that it takes.
	for _, least := range []amount{least, {bytes: least.bytes}, {inodes: least.inodes}} {
		if !least.any() {
			continue
		}
		freed, err := c.evict(a.records, least, 0, ForDisk, "the disk is full")
		if freed.any() || err != nil {
			return true, err
		}
	}
	if a.trash.any() {
		return true, nil
	}
	return true, errNothingToEvict
}

var errNothingToEvict = errors.New("nothing is left to evict")

// mounting reports whether err is of a mount: the kernel says of too many mounts,
// too, that nothing more fits (mount(2)).
func mounting(err error) bool {
	var e *cordon.Error
	for errors.As(err, &e) {
		if strings.HasPrefix(e.Op, "mount") {
			return true
		}
		err = e.Err
	}
	return false
}

// full reports whether err is the disk's own word that nothing more fits, and not
// the cache's.
func full(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
