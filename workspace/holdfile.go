package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/beneath"
)

// holds returns who holds k. A hold that cannot be read counts as one of an
// unknown run, until it expires.
func (c *Cache) holds(k key) (map[string]*hold, error) {
	dir := path.Join(holdsDir, string(k))
	d, err := c.root().Open(dir)
	if err != nil {
		return nil, ignoreGone(err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if ignoreGone(err) != nil { // of a directory that is removed while it is open, some file systems say that there is none
		return nil, err
	}
	all, _, err := readHolds(d, ".", dir, names, false)
	return all, err
}

// readHolds reads those of the holds names that are there, in the directory dir of an
// entry's holds, which is called below in d, and tells which names are temporary.
// With lazily, nobody looks whether holds are locked: none is said to be live.
func readHolds(d *os.File, below, dir string, names []string, lazily bool) (all map[string]*hold, temporary []string, err error) {
	all = make(map[string]*hold, len(names))
	for _, n := range names {
		name := path.Join(dir, n)
		if strings.HasPrefix(n, ".") {
			temporary = append(temporary, name)
			continue
		}
		h, err := readHold(d, path.Join(below, n), lazily)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		all[name] = h
	}
	return all, temporary, nil
}

func readHold(d *os.File, name string, lazily bool) (*hold, error) {
	if lazily {
		if h := readAtOnce(d, name); h != nil {
			return h, nil
		}
	}
	f, err := openAt(d, name, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := decodeHold(f)
	if lazily || err != nil {
		return h, err
	}
	h.live, err = locked(f)
	return h, err
}

// readAtOnce returns what is in the hold name in d, with the fewest system calls, or
// nil where that takes more: it is being rewritten, is none, or gone.
func readAtOnce(d *os.File, name string) *hold {
	asked := time.Now()
	var st unix.Stat_t
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	b, err := beneath.ReadIn(d, name, mostHold, buf, &st)
	h := &hold{renewed: time.Unix(st.Mtim.Unix()), stamp: stampOfStat(&st, asked)}
	if err != nil || jsonv2.Unmarshal(b, h) != nil {
		return nil
	}
	return h
}

// locked reports whether somebody has f locked, shared, and not only looks whether
// others do, as this does.
func locked(f *os.File) (bool, error) {
	const looks = 20 // of others, each a few microseconds long
	for range looks {
		err := flockNow(f, unix.LOCK_EX)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return false, err
		}
		if err = flockNow(f, unix.LOCK_SH); err == nil {
			// Whoever only looked may be gone by now.
			err = flockNow(f, unix.LOCK_EX)
			return errors.Is(err, unix.EWOULDBLOCK), ignoreBusy(err)
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return false, err
		}
		time.Sleep(50 * time.Microsecond)
	}
	return true, nil
}

// unreadable is the run of a hold that cannot be read.
const unreadable = "(unreadable)"

// mostHold is how long a hold may be, in bytes: some hundred for each owner.
const mostHold = 1 << 20

// decodeHold reads the hold in f. One that is being rewritten is read again once
// that is done.
func decodeHold(f *os.File) (*hold, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	h := &hold{}
	read := func() error { return readHoldIn(f, h) }
	if read() != nil {
		unlock, err := lockContent(context.Background(), f)
		if err != nil {
			return nil, err
		}
		*h = hold{}
		err = read()
		unlock()
		if err != nil {
			h = &hold{Run: unreadable}
		}
	}
	h.renewed = info.ModTime()
	return h, nil
}

// readHoldIn reads what is in f into h. What a crash left behind it is ignored.
func readHoldIn(f *os.File, h *hold) error {
	return jsonv2.UnmarshalDecode(jsontext.NewDecoder(io.NewSectionReader(f, 0, mostHold)), h)
}

// lockContent excludes others from rewriting what is in the hold f. It is another
// lock than that of whoever works there (flock), and had for an instant: an open
// file description lock (fcntl(2)).
func lockContent(ctx context.Context, f *os.File) (unlock func(), err error) {
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Len: 1}
	for {
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
		switch {
		case err == nil:
			return func() {
				lock.Type = unix.F_UNLCK
				_ = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock) // it ends with f otherwise
			}, nil
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EINTR):
			return nil, &fs.PathError{Op: "fcntl", Path: f.Name(), Err: err}
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// held returns a hold on k that still counts, or nil.
func (c *Cache) held(k key) (*hold, error) {
	all, err := c.holds(k)
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		if c.counts(h) {
			return h, nil
		}
	}
	return nil, nil
}

// heldOf returns which of records somebody holds.
func (c *Cache) heldOf(records []*record) (map[key]bool, error) {
	is := make([]bool, len(records))
	err := abreast(len(records), func(i int) error {
		h, err := c.held(records[i].Key)
		is[i] = h != nil
		return err
	})
	held := make(map[key]bool, len(records))
	for i, r := range records {
		held[r.Key] = is[i]
	}
	return held, err
}

// amend writes into f, the hold name, that h's owner asked for it too, if it was
// another one so far. The run lives on if it was kept for having failed.
func (c *Cache) amend(ctx context.Context, name string, f *os.File, h hold) error {
	old, err := decodeHold(f)
	if err != nil || old.asked(h.Owner) {
		return err
	}
	return c.rewrite(ctx, name, f, func(old hold) (hold, bool) {
		if old.asked(h.Owner) { // another attempt was quicker
			return old, false
		}
		h.Since, h.Bound = old.Since, old.Bound && h.Bound
		h.Earlier = nil
		if old.Run != unreadable {
			h.Earlier = slices.DeleteFunc(slices.Collect(old.owners()), func(o Owner) bool { return o == h.Owner })
		}
		h.Earlier = h.Earlier[:min(len(h.Earlier), maxEarlier)]
		return h, true
	})
}

// asked reports whether there is nothing to write down when o asks for h.
func (h *hold) asked(o Owner) bool { return h.Entry != "" || h.Owner == o && h.Kept == nil }

// rewrite changes the hold name in its file f, for the locks are on this very file,
// unless change says that there is nothing to change. Who reads it after a crash
// reads one value and ignores what is behind it.
func (c *Cache) rewrite(ctx context.Context, name string, f *os.File, change func(hold) (hold, bool)) error {
	unlock, err := lockContent(ctx, f)
	if err != nil {
		return err
	}
	defer unlock()
	old := hold{Run: unreadable}
	if h := (hold{}); readHoldIn(f, &h) == nil {
		old = h
	}
	h, changed := change(old)
	if !changed {
		return nil
	}
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(b))); err != nil {
		return err
	}
	c.syncSoon(name)
	return nil
}
