package faults_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/ptrace"
)

// failing are the calls that may fail, and what the kernel says then.
var failing = []struct {
	name    string
	numbers []uint64
	errnos  []unix.Errno
	only    func(ptrace.Call) bool
}{
	{"open", []uint64{unix.SYS_OPENAT, unix.SYS_OPENAT2}, []unix.Errno{unix.EIO, unix.EMFILE, unix.EACCES, unix.EINTR}, nil},
	{"create", []uint64{unix.SYS_OPENAT}, []unix.Errno{unix.ENOSPC}, func(c ptrace.Call) bool { return c.Args[2]&unix.O_CREAT != 0 }},
	{"read", []uint64{unix.SYS_READ, unix.SYS_PREAD64}, []unix.Errno{unix.EIO, unix.EINTR}, notStandard},
	{"write", []uint64{unix.SYS_WRITE, unix.SYS_PWRITE64}, []unix.Errno{unix.EIO, unix.ENOSPC, unix.EINTR}, notStandard},
	{"rename", []uint64{unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2}, []unix.Errno{unix.EIO, unix.ENOSPC, unix.EACCES}, nil},
	{"link", []uint64{unix.SYS_LINKAT, unix.SYS_SYMLINKAT}, []unix.Errno{unix.EIO, unix.ENOSPC}, nil},
	{"mkdir", []uint64{unix.SYS_MKDIRAT}, []unix.Errno{unix.EIO, unix.ENOSPC, unix.EACCES}, nil},
	{"sync", []uint64{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNCFS}, []unix.Errno{unix.EIO, unix.ENOSPC}, nil},
	{"lock", []uint64{unix.SYS_FLOCK}, []unix.Errno{unix.EINTR, unix.ENOLCK}, nil},
	{"unlink", []uint64{unix.SYS_UNLINKAT}, []unix.Errno{unix.EIO, unix.EACCES}, nil},
	{"list", []uint64{unix.SYS_GETDENTS64}, []unix.Errno{unix.EIO, unix.EINTR}, nil},
	{"stat", []uint64{unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_FSTAT}, []unix.Errno{unix.EIO, unix.EACCES, unix.ENOMEM}, nil},
	{"statfs", []uint64{unix.SYS_STATFS, unix.SYS_FSTATFS}, []unix.Errno{unix.EIO, unix.EINTR}, nil},
	{"change", []uint64{unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_UTIMENSAT}, []unix.Errno{unix.EIO, unix.ENOSPC}, nil},
	{"truncate", []uint64{unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE}, []unix.Errno{unix.EIO, unix.ENOSPC, unix.EINTR}, nil},
	{"mount", []uint64{unix.SYS_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_MOUNT_SETATTR}, []unix.Errno{unix.EIO, unix.ENOSPC, unix.EACCES, unix.ENOMEM}, nil},
	{"unmount", []uint64{unix.SYS_UMOUNT2}, []unix.Errno{unix.EIO, unix.EBUSY}, nil},
	{"copy", []uint64{unix.SYS_COPY_FILE_RANGE, unix.SYS_SENDFILE, unix.SYS_IOCTL}, []unix.Errno{unix.EIO, unix.ENOSPC, unix.EINTR}, nil},
}

// notStandard leaves out what the child says to the test.
func notStandard(c ptrace.Call) bool { return c.Args[0] > 2 }

// failure is one call that fails.
type failure struct {
	kind, at int // of failing, and which of its calls, from 0 on
	errno    unix.Errno
}

func (f failure) counts(c ptrace.Call) bool {
	k := failing[f.kind]
	return slices.Contains(k.numbers, c.Number) && (k.only == nil || k.only(c))
}

func (f failure) String() string {
	return fmt.Sprintf("%s %d fails with %s", failing[f.kind].name, f.at+1, unix.ErrnoName(f.errno))
}

// failuresPerOperation is how many calls of an operation fail unless the flag asks
// for all.
const failuresPerOperation = 16

// TestEachCallFails lets each system call of each operation fail with each of what
// it may fail with. The operation then does what it should all the same, or says
// with a typed error what was wrong.
func TestEachCallFails(t *testing.T) {
	struck := 0
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			s := op.scene(t)
			list := s.failures(op)
			picked := sample(len(list), failuresPerOperation)
			for i, n := range picked {
				f := list[n]
				// What cannot be read counts as changed, and is fetched again.
				s.lenient = f.errno == unix.EIO || f.errno == unix.EACCES
				s.try(op, f.String(), i%2 == 0, func(o order) {
					v, a, log := strike(s, o, ptrace.Strike{Counts: f.counts, At: f.at + 1, Errno: f.errno})
					if bad := s.outcome(f, o, a); v.Struck && bad != "" {
						s.Errorf("%v: %s\n%s", f, bad, tail(log))
					}
				})
				s.amnesty()
			}
			struck += len(picked)
			t.Logf("%d of %d failures", len(picked), len(list))
		})
	}
	t.Logf("%d failures", struck)
}

// amnesty lets the bystander have a tree again that nobody calls tampered with.
func (s *scene) amnesty() {
	s.Helper()
	for _, r := range s.records() {
		if r.Tampered == "" {
			continue
		}
		for _, b := range s.near {
			if b.mode == "shared" && r.Target == b.target && r.Kind == "shared" {
				s.cleanup(b.path, b.run)
				s.clear()
				s.get(b.target, b.run, b.mode)
			}
		}
	}
}

// failures lists what may fail in an operation. The kinds of failure take turns,
// so that a sample has some of each.
func (s *scene) failures(op operation) (list []failure) {
	s.Helper()
	counts := make([]int, len(failing))
	s.try(op, "nothing fails", false, func(o order) {
		_, a, log := strike(s, o, ptrace.Strike{Counts: func(c ptrace.Call) bool {
			for i := range failing {
				if (failure{kind: i}).counts(c) {
					counts[i]++
				}
			}
			return false
		}})
		if a.Failed {
			s.Fatalf("%s\n%s", a.Text, tail(log))
		}
	})
	for i, n := range counts {
		for _, errno := range failing[i].errnos {
			for at := range n {
				list = append(list, failure{i, at, errno})
			}
		}
	}
	return list
}

// outcome says what is wrong with how an operation went in which f happened, or "".
func (s *scene) outcome(f failure, o order, a answer) string {
	if !a.Failed {
		switch {
		case o.Op == opGet:
			// With the store unreadable, what the cache has is served.
			for _, v := range append(s.versions, small) {
				if v.differs(a.Path) == "" {
					s.versions = append(s.versions, v)
					return ""
				}
			}
			return "not a complete tree: " + s.incomplete(a.Path)
		case o.Op == opCleanup && a.Outcome == "removed":
			if s.names(strings.TrimPrefix(o.Path, s.Dir+"/")) != nil {
				return "it is said to be removed, and is there"
			}
		}
		return ""
	}
	switch {
	case f.errno == unix.EINTR:
		return "somebody's signal is no reason to fail: " + a.Text
	case !a.Typed:
		return "the error has no type: " + a.Text
	case f.errno == unix.ENOSPC && a.Kind != cordon.NoSpace:
		return fmt.Sprintf("the kind is %q: %s", a.Kind, a.Text)
	case f.errno == unix.EACCES && a.Kind != cordon.PermissionDenied:
		return fmt.Sprintf("the kind is %q: %s", a.Kind, a.Text)
	case f.errno != unix.EACCES && a.Kind != "" && !a.Kind.Retryable():
		return fmt.Sprintf("the kind %s says that trying again is no use: %s", a.Kind, a.Text)
	case !strings.Contains(a.Text, f.errno.Error()):
		return "it does not say what the kernel said: " + a.Text
	}
	return ""
}
