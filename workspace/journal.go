package workspace

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Event is one thing that happened to an entry, as the journal has it: what was
// removed, pinned or kept, when, why, and how large it was. Of a run's workspace, "remove" says
// that it is gone, and "deleted" how many bytes it had in the end.
type Event struct {
	Time   time.Time `json:"time"`
	Host   string    `json:"host"` // HostID of the cache
	PID    int       `json:"pid"`
	Action string    `json:"action"` // CONTRACT §6 lists them
	Key    string    `json:"key,omitempty"`
	Path   string    `json:"path"` // relative to the cache directory
	Bytes  int64     `json:"bytes"`
	Reason string    `json:"reason"`
}

// Journal follows the cache's events.jsonl, all processes' events together, for people
// who watch: a line that cannot be read is passed over. It is not safe for concurrent use.
type Journal struct {
	c     *Cache
	inode uint64 // of the file that was read last; 0: none yet
	read  int64  // bytes of it
}

// journalTail is how much of what is there already a journal begins with, in bytes: some
// thousand events.
const journalTail = 512 << 10

// Journal returns the journal, from the last thousand events or so on.
func (c *Cache) Journal() *Journal { return &Journal{c: c} }

// Next returns what was written since the last call, the oldest first. A file that
// grew beyond its size meanwhile and was put aside is read to its end; of two that were,
// the older one is missed.
func (j *Journal) Next() ([]Event, error) {
	var all []Event
	now, size, err := j.look(eventsFile)
	if err != nil {
		return nil, err
	}
	switch first := j.inode == 0; {
	case now == j.inode:
	case first && size < journalTail: // and some of the file before
		older, length, err := j.look(eventsFile + ".1")
		if err != nil {
			return nil, err
		}
		j.inode, j.read = older, max(length-journalTail+size, 0)
		if all, err = j.from(eventsFile+".1", all); err != nil {
			return nil, err
		}
		j.inode, j.read = now, 0
	case first:
		j.inode, j.read = now, size-journalTail
	default:
		if all, err = j.from(eventsFile+".1", all); err != nil {
			return nil, err
		}
		j.inode, j.read = now, 0
	}
	return j.from(eventsFile, all)
}

// look returns the inode and the size of a file; 0 where there is none.
func (j *Journal) look(name string) (inode uint64, size int64, err error) {
	var st unix.Stat_t
	if err := j.c.root().Look(name, &st); err != nil {
		return 0, 0, diskError("read journal", j.c.dir, ignoreGone(err))
	}
	return st.Ino, st.Size, nil
}

// from reads the file name on from where j is, if it is the file that j is at.
func (j *Journal) from(name string, all []Event) ([]Event, error) {
	f, err := j.c.root().OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, diskError("read journal", j.c.dir, err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Ino != j.inode {
		return all, nil // put aside in this instant; the next call reads it
	}
	if st.Size < j.read {
		j.read = 0 // somebody has emptied it
	}
	b, err := io.ReadAll(io.NewSectionReader(f, j.read, st.Size-j.read))
	if err != nil {
		return nil, diskError("read journal", j.c.dir, err)
	}
	whole := b[:bytes.LastIndexByte(b, '\n')+1] // the rest is being written
	j.read += int64(len(whole))
	for line := range bytes.Lines(whole) {
		var e Event
		if json.Unmarshal(line, &e) == nil && !e.Time.IsZero() {
			all = append(all, e)
		}
	}
	return all, nil
}
