package workspace

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/flock"
)

// staging is where an entry is made, and the disk reserved for it. Both belong
// to a living process: the reservation's file is locked, and what a dead process
// left is ignored by the accounts and removed by the sweep.
type staging struct {
	c    *Cache
	id   string
	what string // is being made, for people
	lock *flock.Lock
	note reservation
	root *os.Root // of the entry that is being made

	limit     int64 // of what is made, in bytes; 0: none. See limit.go
	synced    bool  // the disk was given time to count what was deleted
	published bool  // what is left in the directory is next to nothing

	modest bool // it evicts nothing for itself

	makeTree func(dir *os.Root, name string) error // makes the tree's directory, where that has to be a special one
}

// reservation is a promise of disk to work under way. It is counted against
// the limit beside the records.
type reservation struct {
	ID     string    `json:"id"`             // of the staging directory; once a record names it, the record counts
	What   string    `json:"what,omitempty"` // is made, for people
	Bytes  int64     `json:"bytes"`          // promised so far
	Inodes int64     `json:"inodes"`
	Since  time.Time `json:"since"`

	// What is promised and written shows in the disk's free space. Of an object that
	// is on its way the file tells how much that is; of the rest, all but what was
	// promised last, and a little more, counts as written.
	Object       int64 `json:"object,omitempty"`
	Recent       int64 `json:"recent,omitempty"`
	RecentInodes int64 `json:"recent_inodes,omitempty"`

	// Unseen is what was promised since the free space last was up to date, on a disk
	// that shows late what is written (fsinfo.Space). 0 elsewhere.
	Unseen int64 `json:"unseen,omitempty"`
}

// elder reports whether r was there before o. The elder of two that grow into
// each other's way waits, the younger one gives up.
func (r reservation) elder(o reservation) bool {
	if !r.Since.Equal(o.Since) {
		return r.Since.Before(o.Since)
	}
	return r.ID < o.ID
}

// entryDir is the directory of a staging directory that gets the entry's name.
const entryDir = "entry"

func (c *Cache) stage(what string) (*staging, error) {
	var id string
	var lock *flock.Lock
	for lock == nil { // a sweep that looks at the new file in this very instant has it locked
		id = strings.ToLower(rand.Text())
		var err error
		if lock, err = flock.Try(c.root(), path.Join(reservationsDir, id), flock.Exclusive); err != nil {
			return nil, err
		}
	}
	s := &staging{c: c, id: id, what: what, lock: lock, note: reservation{ID: id, What: what, Since: c.now().UTC()}}
	if err := s.open(); err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

func (s *staging) dir() string  { return path.Join(stagingDir, s.id) }
func (s *staging) file() string { return path.Join(reservationsDir, s.id) }

// at returns the path of something in the staged entry, relative to the cache.
func (s *staging) at(name string) string { return path.Join(s.dir(), entryDir, name) }

func (s *staging) open() error {
	root := s.c.root()
	if err := root.Mkdir(s.dir(), 0o700); err != nil {
		return err
	}
	return s.openEntry()
}

func (s *staging) openEntry() error {
	root := s.c.root()
	err := root.Mkdir(s.at(""), 0o755)
	if err == nil {
		err = root.Chmod(s.at(""), 0o755) // whatever the umask: a run's tools may be another user
	}
	if err != nil {
		return err
	}
	s.root, err = root.OpenRoot(s.at(""))
	return err
}

// clear throws away what was made so far, but not what is reserved.
func (s *staging) clear() error {
	_ = s.root.Close() // a directory's descriptor; nothing to lose
	s.root = nil
	if err := s.c.trashSized(s.at(""), amount{}, nil); err != nil {
		return err
	}
	return s.openEntry()
}

// promise writes down how much is reserved. The caller has the janitor's lock.
func (s *staging) promise(note reservation) error {
	b, err := json.Marshal(note)
	if err != nil {
		return err
	}
	// The file may be read while it is written only by who waits for the
	// janitor's lock, so there is nothing to be atomic against but a full disk: what
	// was promised before counts until there is more to read.
	f := s.lock.File()
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(b))); err != nil {
		return err
	}
	s.note = note
	return nil
}

// discard gives everything back: the disk through the trash, the reservation at
// once. It may be called after publishing, when there is little left to give.
func (s *staging) discard() {
	if s.root != nil {
		_ = s.root.Close() // a directory's descriptor; nothing to lose
		s.root = nil
	}
	size := amount{s.note.Bytes, s.note.Inodes}
	if s.published {
		size = amount{}
	}
	if !s.published || !s.husk() {
		_ = s.c.trashStaging(s.id, size) // it has said so, and a sweep takes it
	}
	_ = s.c.root().Remove(s.file()) // if it stays, the lock on it is gone with the next line, which is what counts
	s.lock.Unlock()
}

// husk removes the staging directory if publishing left nothing in it, and reports
// whether it did.
func (s *staging) husk() bool {
	_ = s.c.root().Remove(s.at("")) // it has become the entry, or there is something in it
	return s.c.root().Remove(s.dir()) == nil
}

// unwritten returns what o's object still takes when all of it has arrived.
func (c *Cache) unwritten(o reservation) amount {
	if o.Object == 0 {
		return amount{}
	}
	info := lstat(c.root(), path.Join(stagingDir, o.ID, entryDir, objectName))
	if info == nil {
		return amount{bytes: o.Object}
	}
	_, _, arrived := allocation(info)
	return amount{bytes: max(o.Object-arrived, 0)}
}

// readPromise reads what f promises. A file that nothing was written to promises
// nothing, and what may stand behind the promise is the rest of a longer one.
func readPromise(f *os.File) (r reservation, err error) {
	if err = json.NewDecoder(f).Decode(&r); errors.Is(err, io.EOF) {
		err = nil
	}
	return r, err
}

// promises is what the reservations' files say.
type promises struct {
	alive   []reservation
	dead    []reservation // of processes that died
	unknown []string      // ids of living ones that cannot be read
}

// reservations returns what is promised. The caller has the janitor's lock.
func (c *Cache) reservations() (p promises, err error) {
	ids, err := c.list(reservationsDir)
	if err != nil {
		return p, err
	}
	for _, id := range ids {
		f, err := c.root().OpenFile(path.Join(reservationsDir, id), os.O_RDWR, 0)
		if err != nil {
			continue // given back meanwhile
		}
		r, err := readPromise(f)
		r.ID = id
		alive := flockNow(f, unix.LOCK_SH) != nil // shared: two that look do not take each other for its owner
		f.Close()
		switch {
		case !alive:
			p.dead = append(p.dead, r)
		case err != nil:
			p.unknown = append(p.unknown, id)
		default:
			p.alive = append(p.alive, r)
		}
	}
	return p, nil
}

// clearDead takes away what processes that died were making: nobody accounts for
// it, so it must not be there while others write. What cannot be taken now is the
// next one's, or the sweep's. It returns what is being deleted.
func (c *Cache) clearDead(dead []reservation) (sum amount) {
	root := c.root()
	for _, r := range dead {
		note := path.Join(reservationsDir, r.ID)
		f, err := root.OpenFile(note, os.O_RDWR, 0)
		if err != nil {
			continue // a sweep was quicker
		}
		size := amount{r.Bytes, r.Inodes}
		if flockNow(f, unix.LOCK_EX) == nil && sameFile(f, lstat(root, note)) && c.trashSized(path.Join(stagingDir, r.ID), size, nil) == nil {
			_ = root.Remove(note) // if it stays, nothing belongs to it
			sum = sum.plus(size)
		}
		f.Close()
	}
	return sum
}
