package drivertest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/workspace/driver"
)

// detail is how closely two trees are compared.
type detail int

const (
	shape      detail = iota // names, types, modes, contents, links, hard-link groups, user attributes
	times                    // and modification times
	everything               // and owners, inode numbers and change times: nobody touched it
)

// manifest is everything about a tree that a run can see, by path.
type manifest map[string]node

type node struct {
	text  string // what the detail asked for says about it
	bytes int64  // allocated
}

func (m manifest) usage() driver.Usage {
	u := driver.Usage{Inodes: int64(len(m))} // hard links count twice: at most
	for _, n := range m {
		u.Bytes += n.bytes
	}
	return u
}

// diff lists where b is not as m, or returns "".
func (m manifest) diff(b manifest, level detail) string {
	names := slices.Collect(maps.Keys(m))
	for n := range b {
		if _, ok := m[n]; !ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	var lines []string
	for _, n := range names {
		want, got := m[n].text, b[n].text
		if n == "." && level == shape { // its time and mode have a test of their own
			continue
		}
		if want != got {
			lines = append(lines, fmt.Sprintf("  %.120q\n    is   %s\n    want %s", n, orNothing(got), orNothing(want)))
		}
	}
	const enough = 8
	if extra := len(lines) - enough; extra > 0 {
		lines = append(lines[:enough], fmt.Sprintf("  and %d more", extra))
	}
	return strings.Join(lines, "\n")
}

func orNothing(s string) string {
	if s == "" {
		return "not there"
	}
	return s
}

// manifest reads the tree at dir. It goes from directory to directory, for a
// path in the tree may be longer than the kernel takes.
func (s *stand) manifest(dir string, level detail) manifest {
	s.Helper()
	f, err := os.Open(dir)
	s.must(err)
	r := reader{level: level, m: manifest{}, first: map[uint64]string{}, splits: s.traits.SplitsLinks && level == shape}
	if err := r.dir(f, "."); err != nil {
		s.Fatalf("read %s: %v", dir, err)
	}
	return r.m
}

type reader struct {
	level detail
	m     manifest
	first map[uint64]string // the first name of each inode that has several

	// splits: after a write, names of one file may have numbers of their own.
	splits bool
}

// dir reads f and closes it.
func (r *reader) dir(f *os.File, name string) error {
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	attrs, err := userAttrs(f)
	if err != nil {
		return err
	}
	r.add(name, &st, "directory"+attrs)
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, n := range names {
		if err := r.entry(f, n, path.Join(name, n)); err != nil {
			return fmt.Errorf("%.200q: %w", path.Join(name, n), err)
		}
	}
	return nil
}

func (r *reader) entry(in *os.File, name, full string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(in.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		fd, err := unix.Openat(int(in.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return r.dir(os.NewFile(uintptr(fd), name), full)
	case unix.S_IFLNK:
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(int(in.Fd()), name, buf)
		if err != nil {
			return err
		}
		r.add(full, &st, fmt.Sprintf("link to %q", buf[:n]))
	case unix.S_IFREG:
		what, err := r.file(in, name, full, &st)
		if err != nil {
			return err
		}
		r.add(full, &st, what)
	default:
		r.add(full, &st, "special file")
	}
	return nil
}

func (r *reader) file(in *os.File, name, full string, st *unix.Stat_t) (string, error) {
	what := fmt.Sprintf("file of %d bytes", st.Size)
	if st.Nlink > 1 {
		if r.first[st.Ino] == "" {
			r.first[st.Ino] = full
		}
		what += fmt.Sprintf(" with %d names", st.Nlink)
		if !r.splits {
			what += fmt.Sprintf(", the first of which is %q", r.first[st.Ino])
		}
	}
	fd, err := unix.Openat(int(in.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EACCES) {
		return what + ", unreadable", nil
	}
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	attrs, err := userAttrs(f)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return fmt.Sprintf("%s %x%s", what, h.Sum(nil)[:6], attrs), err
}

func (r *reader) add(name string, st *unix.Stat_t, what string) {
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		what = fmt.Sprintf("%04o %s", st.Mode&0o7777, what)
	}
	if r.level >= times {
		what += fmt.Sprintf(", modified %d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
	}
	if r.level >= everything {
		what += fmt.Sprintf(", inode %d, owner %d:%d, changed %d.%09d", st.Ino, st.Uid, st.Gid, st.Ctim.Sec, st.Ctim.Nsec)
	}
	r.m[name] = node{what, st.Blocks * 512} // stat(2): st_blocks is in units of 512 bytes
}

// userAttrs describes the attributes of f that a user may set.
func userAttrs(f *os.File) (string, error) {
	buf := make([]byte, 64<<10) // the kernel's limit, XATTR_LIST_MAX
	n, err := unix.Flistxattr(int(f.Fd()), buf)
	if errors.Is(err, unix.ENOTSUP) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var all []string
	for name := range strings.SplitSeq(string(buf[:n]), "\x00") {
		if !strings.HasPrefix(name, "user.") {
			continue
		}
		value := make([]byte, 4<<10)
		n, err := unix.Fgetxattr(int(f.Fd()), name, value)
		if err != nil {
			return "", err
		}
		all = append(all, fmt.Sprintf(", %s is %q", name, value[:n]))
	}
	slices.Sort(all)
	return strings.Join(all, ""), nil
}
