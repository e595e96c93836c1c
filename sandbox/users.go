package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The pools of users that runs lease, in order: nobody's accounts, containers or
// subordinate ids are there. Where a user namespace maps but the first 65,536, only
// the second one can be had.
var pools = []pool{
	{first: 1_900_000_000, size: 4096}, // between systemd's containers and its foreign ids
	{first: 60_578, size: 600},         // between systemd's home and dynamic users
}

// pool is a range of uids, and of gids alike.
type pool struct{ first, size int }

// users leases users. A lease is a lock on one byte of one file, which the kernel
// drops with the last descriptor of it: the init of the sandbox has one as well.
type users struct {
	file string
	pool pool
}

// defaultStateDir is where the lock of the users' pool is, for all sandboxes of a host.
const defaultStateDir = "/run/cordon"

// openUsers finds a pool that this user namespace has. The lock is in the directory dir; if
// that is "", in the default one, or among the temporary files where that cannot be written
// to: a container's root may be read-only.
func openUsers(dir string) (*users, error) {
	if !mayKill() {
		return nil, errors.New("without CAP_KILL nobody could end what another user runs")
	}
	file, err := lockFile(cmp.Or(dir, defaultStateDir))
	if err != nil && dir == "" {
		var other error
		if file, other = temporaryLock(); other != nil {
			return nil, errors.Join(err, other)
		}
	} else if err != nil {
		return nil, err
	}
	for _, p := range pools {
		if hasID("/proc/self/uid_map", p) && hasID("/proc/self/gid_map", p) {
			return &users{file: file, pool: p}, nil
		}
	}
	return nil, errors.New("this user namespace maps no users for runs")
}

// mayKill reports whether this process may signal other users' processes.
func mayKill() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	return unix.Capget(&header, &have[0]) == nil && have[0].Effective&(1<<unix.CAP_KILL) != 0
}

// lockFile makes the file of the locks in dir.
func lockFile(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "users")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	return path, f.Close()
}

// temporaryLock makes it where everybody may write: in a directory that is this user's
// alone, or nowhere.
func temporaryLock() (string, error) {
	dir := filepath.Join(os.TempDir(), "cordon-run")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return "", &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o077 != 0 || int(st.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s is not a directory of this user alone", dir)
	}
	return lockFile(dir)
}

// hasID reports whether the mappings in file cover the pool.
func hasID(file string, p pool) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	for {
		var inside, outside, count int
		if n, _ := fmt.Fscan(f, &inside, &outside, &count); n != 3 {
			return false
		}
		if inside <= p.first && p.first+p.size <= inside+count {
			return true
		}
	}
}

// lease is a user that nobody else on this host's cache runs anything as.
type lease struct {
	slot int
	id   int // uid and gid
	file *os.File
}

func (u *users) lease() (*lease, error) {
	f, err := os.OpenFile(u.file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for slot := range u.pool.size {
		lock := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(slot), Len: 1}
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
		if err == nil {
			return &lease{slot: slot, id: u.pool.first + slot, file: f}, nil
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			f.Close()
			return nil, &os.PathError{Op: "lock", Path: u.file, Err: err}
		}
	}
	f.Close()
	return nil, fmt.Errorf("all %d users for runs are in use", u.pool.size)
}

// release may be called on nil. The lease ends once the init's descriptor is gone too.
func (l *lease) release() {
	if l != nil {
		_ = l.file.Close() // the kernel drops the lock regardless
	}
}
