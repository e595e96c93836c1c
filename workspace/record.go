package workspace

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"time"

	jsonv2 "github.com/go-json-experiment/json" // encoding/json takes a multiple of the time
	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/internal/durable"
)

// state tells an entry that is there from one that is on its way. The record is
// written twice: before the entry's directory gets its name, so that a crash
// cannot leave a directory that nobody knows to be the cache's, and after.
type state string

const (
	publishing state = "publishing"
	complete   state = "complete"
)

// record says that an entry is complete, and what it is. No record, no entry.
// Its modification time is the entry's last use.
type record struct {
	Protocol int             `json:"protocol"`
	State    state           `json:"state"`
	Key      key             `json:"key"`
	Kind     Kind            `json:"kind"`
	Target   cordon.TargetID `json:"target_id"`
	Run      string          `json:"run_id,omitempty"`
	Mode     cordon.Mode     `json:"mode"`
	ETag     string          `json:"etag"`
	SHA256   string          `json:"sha256,omitempty"` // of the object, as its uploader stated it
	Policy   archive.Policy  `json:"extract"`
	Place    string          `json:"place"`   // relative to the cache directory: where Content is
	Content  string          `json:"content"` // treeName or objectName: what is handed out
	Identity identity        `json:"identity"`
	Driver   string          `json:"driver,omitempty"`
	ReadOnly bool            `json:"readonly"`
	Bytes    int64           `json:"bytes"`        // the tree's disk, without the object
	Object   int64           `json:"object_bytes"` // the kept object's disk; 0 where it is gone, or is the content
	Inodes   int64           `json:"inodes"`
	Omitted  int             `json:"omitted,omitempty"`
	Staging  string          `json:"staging"` // where it was made; its reservation counts no more
	Created  time.Time       `json:"created"`
	Boot     string          `json:"boot_id"`            // the boot that it was made in, which it outlives once it is settled
	Volatile bool            `json:"volatile,omitempty"` // it never outlives that boot
	Changed  int64           `json:"changed,omitempty"`  // Content's own last change (ctime, in nanoseconds), where nobody may change it
	Manifest bool            `json:"manifest,omitempty"` // what is in it was written down; found by Staging
	Tampered string          `json:"tampered,omitempty"` // what somebody changed in it: no new run gets it
	View     *view           `json:"view,omitempty"`     // set where Content is a view that needs its base
	Limit    int64           `json:"limit,omitempty"`    // the most bytes that a run's own entry may take; 0: no limit
	Growth   growth          `json:"growth,omitzero"`    // of a run's own entry

	lastUsed time.Time // not in the file: its modification time
}

// view says what a view depends on.
type view struct {
	Base      key    `json:"base"`      // entry of the base
	BasePath  string `json:"base_path"` // relative to the cache directory
	BaseID    fileID `json:"base_id"`
	Namespace string `json:"mount_namespace,omitempty"` // where it is mounted
}

func (r *record) version() version { return version{r.ETag, r.Policy} }
func (r *record) total() int64     { return r.Bytes + r.Object }

// size returns what the entry takes of the disk.
func (r *record) size() amount {
	s := amount{r.total(), r.Inodes}
	if r.Object > 0 {
		s.inodes++
	}
	return s
}

// path returns what is handed out, relative to the cache directory.
func (r *record) path() string { return path.Join(r.Place, r.Content) }

// part is one name of an entry and what it was when it was published.
type part struct {
	name string // relative to the cache directory
	id   fileID // zero where the entry does not have the name
}

// parts returns what the entry consists of. A shared entry stands in the
// target's own directory beside the runs, every other entry is a directory of
// its own.
func (r *record) parts() []part {
	switch {
	case r.Kind != KindShared:
		return []part{{r.Place, r.Identity.Dir}}
	case r.Content == objectName:
		return []part{{path.Join(r.Place, treeName), fileID{}}, {path.Join(r.Place, objectName), r.Identity.Content}}
	}
	return []part{{path.Join(r.Place, treeName), r.Identity.Content}, {path.Join(r.Place, objectName), r.Identity.Object}}
}

// lock returns the name of the lock that guards the entry's life.
func (r *record) lock() string {
	switch r.Kind {
	case KindRun:
		return runLock(r.Key)
	case KindQuarantine: // nobody makes it of something that others use
		return path.Join(locksDir, string(r.Key))
	}
	return contentLock(r.Target, r.version())
}

func recordFile(k key) string { return path.Join(recordsDir, string(k)+".json") }

func (c *Cache) writeRecord(r *record) error {
	b, err := r.encode()
	if err != nil {
		return err
	}
	return durable.Replace(c.root(), recordFile(r.Key), b)
}

func (r *record) encode() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", " ")
	return append(b, '\n'), err
}

// errUnreadable is what readRecord says of a file that is no record of this
// protocol. To a Get that is a miss; the sweep removes the file.
var errUnreadable = errors.New("not a record that this program can read")

// mostRecord is how long a record may be, in bytes: one is a thousand or two.
const mostRecord = 1 << 20

// readRecord returns nil without an error where there is no record.
func (c *Cache) readRecord(k key) (*record, error) {
	var st unix.Stat_t
	b, err := c.root().ReadWhole(recordFile(k), mostRecord, &st)
	return decodeRecord(k, b, &st, err)
}

// decodeRecord returns the record of k from what is in its file, which st describes,
// or from the error of reading that, as readRecord does.
func decodeRecord(k key, b []byte, st *unix.Stat_t, err error) (*record, error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, unix.EFBIG):
		return nil, errUnreadable
	case err != nil:
		return nil, err
	}
	r := &record{lastUsed: time.Unix(st.Mtim.Unix())}
	if jsonv2.Unmarshal(b, r) != nil || r.Protocol != protocol || r.Key != k {
		return nil, errUnreadable
	}
	return r, nil
}

// current returns the record of k if its entry is complete and in place, and
// nil otherwise.
func (c *Cache) current(k key) (*record, error) {
	r, err := c.readRecord(k)
	if errors.Is(err, errUnreadable) {
		return nil, nil
	}
	if r == nil || err != nil || r.State != complete || c.missing(r) != "" {
		return nil, err
	}
	return r, nil
}

// missing says why the entry of r cannot be used, or "".
func (c *Cache) missing(r *record) string {
	switch {
	case r.Boot == c.boot:
	case r.Volatile:
		return "the machine was restarted, which its driver (" + r.Driver + ") does not survive"
	case !c.settled(r):
		return "the machine was restarted before it had been written through"
	}
	if v := r.View; v != nil {
		if id, err := c.idOf(v.BasePath); gone(err) || err == nil && id != v.BaseID {
			return "the base of its view is gone"
		}
	}
	// A run may replace its content, as strip and git clone do, so a run is known
	// by its directory; anything else by its content, which nobody may change.
	known, err := c.idOf(r.path())
	want := r.Identity.Content
	if r.Kind == KindRun && err == nil {
		known, err = c.idOf(r.Place)
		want = r.Identity.Dir
	}
	switch {
	case gone(err):
		return "its files are gone"
	case err == nil && known != want:
		return "its files were replaced by somebody else"
	}
	return ""
}

// stampGrain is how old an entry's last use must be before it is set anew: fine
// enough to rank entries by, coarse enough to cost nothing on a busy entry.
const stampGrain = time.Second

// touch sets the last use of r's entry to now.
func (c *Cache) touch(r *record) {
	if now := c.now(); now.Sub(r.lastUsed) >= stampGrain {
		// If it fails, the entry is evicted earlier than it deserves; nothing else.
		_ = c.root().Chtimes(recordFile(r.Key), now, now)
	}
}
