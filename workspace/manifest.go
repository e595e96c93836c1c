package workspace

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A manifest says what a shared tree or a base was when it was published: of
// every file and directory its inode, size, mode and time of last change. The
// last is what makes it worth having: the kernel sets ctime at every write,
// chmod, rename and link, and no program can set it back (inode(7)). So looking
// at a file's inode tells whether it was tampered with, without reading it.
//
// The file is made to be read in parts: a header, an array of fixed-size
// entries in the order of a walk, and their paths, one after the other.

const (
	manifestMagic  = "cordon manifest\x01"
	manifestHeader = len(manifestMagic) + 8 // number of entries
	manifestEntry  = 8 + 8 + 8 + 4 + 8 + 2  // inode, ctime, size, mode, path's offset and length
)

// manifestGlance is how many entries a look at a hold takes: less than a
// millisecond, and all of a small tree. A sweep looks at everything that is held.
const manifestGlance = 512

func manifestFile(staging string) string { return path.Join(manifestsDir, staging) }

// manifest is what is known of one tree.
type manifest struct {
	n       int
	entries []byte
	paths   []byte
}

func fingerprint(st *unix.Statx_t) (b [8 + 8 + 8 + 4]byte) {
	le := binary.LittleEndian
	le.PutUint64(b[0:], st.Ino)
	le.PutUint64(b[8:], uint64(ctime(st)))
	le.PutUint64(b[16:], st.Size)
	le.PutUint32(b[24:], uint32(st.Mode))
	return b
}

const statxFields = unix.STATX_BASIC_STATS | unix.STATX_BTIME

// maxPath is the longest path that a system call takes: PATH_MAX counts its NUL.
const maxPath = 4095

// survey walks the tree name in dir and writes down what it finds. With readOnly
// it takes the write permission from everything on the way, but from the tree's
// top, whose turn comes when it has its final place. Nobody else reaches the
// tree meanwhile.
func survey(ctx context.Context, dir *os.Root, name string, readOnly bool) (*manifest, error) {
	top, err := openTree(dir, name)
	if err != nil {
		return nil, err
	}
	w := surveyor{ctx: ctx, m: &manifest{}, readOnly: readOnly, coarse: true}
	if err := w.dir(top, ""); err != nil {
		return nil, err
	}
	if w.coarse && w.m.n > 0 {
		// Times of whole seconds: a change in this one would show in none of them.
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return w.m, nil
}

// ctime returns when the kernel last saw a change of st's file, in nanoseconds.
func ctime(st *unix.Statx_t) int64 { return st.Ctime.Sec*1e9 + int64(st.Ctime.Nsec) }

// changed returns the time of the last change of name itself.
func (c *Cache) changed(name string) (int64, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, c.abs(name), unix.AT_SYMLINK_NOFOLLOW, statxFields, &st); err != nil {
		return 0, &fs.PathError{Op: "statx", Path: c.abs(name), Err: err}
	}
	return ctime(&st), nil
}

// opener opens files by name; *os.Root and *beneath.Dir are some.
type opener interface {
	OpenFile(name string, flags int, perm os.FileMode) (*os.File, error)
}

// openTree opens the directory name in dir without following a link there.
func openTree(dir opener, name string) (*os.File, error) {
	return dir.OpenFile(name, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}

// openSub opens the directory name in dir, which is open, likewise.
func openSub(dir int, name string) (*os.File, error) {
	for {
		fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if !errors.Is(err, unix.EINTR) {
			return nil, err
		}
	}
}

type surveyor struct {
	ctx      context.Context
	m        *manifest
	readOnly bool
	coarse   bool // so far, no time has a fraction, nor is it known when anything was born
}

// dir surveys what is in d, and closes it. A base's depth is bounded by what
// extraction allows, and with it the descriptors.
func (w *surveyor) dir(d *os.File, prefix string) error {
	defer d.Close()
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := w.entry(d, name, prefix+name); err != nil {
			return &fs.PathError{Op: "survey", Path: prefix + name, Err: err}
		}
	}
	return nil
}

func (w *surveyor) entry(d *os.File, name, full string) error {
	fd := int(d.Fd())
	var st unix.Statx_t
	if err := unix.Statx(fd, name, unix.AT_SYMLINK_NOFOLLOW, statxFields, &st); err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFDIR {
		child, err := openSub(fd, name)
		if err != nil {
			return err
		}
		if err := w.dir(child, full+"/"); err != nil {
			return err
		}
	}
	if w.readOnly && kind != unix.S_IFLNK && st.Mode&0o222 != 0 {
		if err := unix.Fchmodat(fd, name, uint32(st.Mode&0o7555), 0); err != nil {
			return err
		}
		if err := unix.Statx(fd, name, unix.AT_SYMLINK_NOFOLLOW, statxFields, &st); err != nil {
			return err
		}
	}
	w.coarse = w.coarse && st.Ctime.Nsec == 0 && st.Mask&unix.STATX_BTIME == 0
	if len(full) <= maxPath { // what is deeper is told by its directories alone
		w.m.add(full, fingerprint(&st))
	}
	return nil
}

func (m *manifest) add(name string, what [28]byte) {
	m.entries = append(m.entries, what[:]...)
	m.entries = binary.LittleEndian.AppendUint64(m.entries, uint64(len(m.paths)))
	m.entries = binary.LittleEndian.AppendUint16(m.entries, uint16(len(name))) // PATH_MAX is 4096
	m.paths = append(m.paths, name...)
	m.n++
}

// disk returns the disk that m takes when it is saved.
func (m *manifest) disk() int64 { return blocks(int64(manifestHeader + len(m.entries) + len(m.paths))) }

// save writes m to the manifest of what is made in staging.
func (m *manifest) save(root opener, staging string) error {
	f, err := root.OpenFile(manifestFile(staging), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	head := []byte(manifestMagic)
	head = binary.LittleEndian.AppendUint64(head, uint64(m.n))
	for _, part := range [][]byte{head, m.entries, m.paths} {
		if _, err = f.Write(part); err != nil {
			break
		}
	}
	return errors.Join(err, f.Close())
}

var errNoManifest = errors.New("its manifest is damaged")

// altered says what somebody has changed in r's tree or file since it was
// published, or "". Of a tree it looks at its top, and at up to so many entries, from a random place on;
// 0 means all of them. What cannot be looked at counts as changed, unless it is the
// process that wants for something.
func (c *Cache) altered(ctx context.Context, r *record, most int) (string, error) {
	if r.Changed == 0 {
		return "", nil
	}
	why, err := c.look(ctx, r, most)
	switch {
	case passing(err):
		return "", err
	case errors.Is(err, errNoManifest) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return errNoManifest.Error(), nil
	case errors.As(err, new(*fs.PathError)):
		return "it cannot be looked at: " + err.Error(), nil
	}
	return why, err
}

func (c *Cache) look(ctx context.Context, r *record, most int) (why string, err error) {
	if !r.Manifest {
		at, err := c.changed(r.path())
		return r.changedSince(at), err
	}
	err = c.root().Within(r.path(), func(tree int) error {
		var st unix.Statx_t
		if err := unix.Statx(tree, "", unix.AT_EMPTY_PATH, statxFields, &st); err != nil {
			return &fs.PathError{Op: "statx", Path: c.abs(r.path()), Err: err}
		}
		if why = r.changedSince(ctime(&st)); why != "" {
			return nil
		}
		f, done, err := c.openManifest(r)
		if err != nil {
			return errors.Join(errNoManifest, err)
		}
		defer done()
		why, err = compare(ctx, f, tree, most)
		return err
	})
	return why, err
}

// changedSince says that what r hands out was changed after it was published if at is
// not the last change since then.
func (r *record) changedSince(at int64) string {
	if at == r.Changed {
		return ""
	}
	return "it was changed at " + time.Unix(0, at).UTC().Format(time.RFC3339)
}

// wholeManifest is how long a manifest may be, in bytes, to be read whole rather
// than in parts: what a look at a hold takes of a large one is longer.
const wholeManifest = 16 << 10

// openManifest returns the manifest of r's tree, and what has to be called once it
// was read.
func (c *Cache) openManifest(r *record) (f io.ReaderAt, done func(), err error) {
	var st unix.Stat_t
	b, err := c.root().ReadWhole(manifestFile(r.Staging), wholeManifest, &st)
	if err == nil {
		return bytes.NewReader(b), func() {}, nil
	}
	if !errors.Is(err, unix.EFBIG) {
		return nil, nil, err
	}
	file, err := c.root().Open(manifestFile(r.Staging))
	if err != nil {
		return nil, nil, err
	}
	return file, func() { file.Close() }, nil
}

// compare compares the tree with the manifest in f, most entries of it or all.
func compare(ctx context.Context, f io.ReaderAt, tree int, most int) (string, error) {
	le := binary.LittleEndian
	head := make([]byte, manifestHeader)
	if _, err := f.ReadAt(head, 0); err != nil || !bytes.HasPrefix(head, []byte(manifestMagic)) {
		return "", errors.Join(errNoManifest, err)
	}
	head = head[len(manifestMagic):]
	n := int64(le.Uint64(head))
	if n < 0 || n > 1<<40 {
		return "", errNoManifest
	}
	from, count := int64(0), n
	if most > 0 && n > int64(most) {
		from, count = rand.Int64N(n-int64(most)+1), int64(most)
	}
	for count > 0 {
		step := min(count, manifestGlance)
		why, err := compareSome(f, tree, n, from, step)
		if why != "" || err != nil {
			return why, err
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		from, count = from+step, count-step
	}
	return "", nil
}

func compareSome(f io.ReaderAt, tree int, n, from, count int64) (string, error) {
	le := binary.LittleEndian
	entries := make([]byte, count*int64(manifestEntry))
	if _, err := f.ReadAt(entries, int64(manifestHeader)+from*int64(manifestEntry)); err != nil {
		return "", errors.Join(errNoManifest, err)
	}
	last := entries[len(entries)-manifestEntry:]
	first, end := le.Uint64(entries[28:]), le.Uint64(last[28:])+uint64(le.Uint16(last[36:]))
	if end < first || end-first > uint64(count)<<16 {
		return "", errNoManifest
	}
	paths := make([]byte, end-first)
	if _, err := f.ReadAt(paths, int64(manifestHeader)+n*int64(manifestEntry)+int64(first)); err != nil {
		return "", errors.Join(errNoManifest, err)
	}
	for ; len(entries) > 0; entries = entries[manifestEntry:] {
		at, size := le.Uint64(entries[28:])-first, uint64(le.Uint16(entries[36:]))
		if at > uint64(len(paths)) || size > uint64(len(paths))-at {
			return "", errNoManifest
		}
		name := string(paths[at : at+size])
		var st unix.Statx_t
		err := unix.Statx(tree, name, unix.AT_SYMLINK_NOFOLLOW, statxFields, &st)
		if err != nil {
			return "", &fs.PathError{Op: "statx", Path: strconv.Quote(name), Err: err}
		}
		if got := fingerprint(&st); !bytes.Equal(got[:], entries[:28]) {
			return fmt.Sprintf("%q was changed at %s", name, time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec)).UTC().Format(time.RFC3339)), nil
		}
	}
	return "", nil
}
