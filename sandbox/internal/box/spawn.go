package box

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawn starts the tool from a thread that has given up all that the tool must not
// have. Credentials, no_new_privs, Landlock and seccomp belong to a thread, and a
// child inherits those of the thread that forks: the rest of the init keeps what it
// needs to kill the tool. Go starts no thread from a locked one, and ends one whose
// goroutine returns without unlocking it.
func (b *box) spawn() error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- b.fork()
	}()
	return <-done
}

func (b *box) fork() error {
	s := &b.spec
	for _, fd := range s.Cgroups {
		// "0" is the writing thread in a v1 "tasks" file, and the whole init in v2. Who
		// opened the file is asked for the right to.
		if _, err := unix.Write(fd, []byte("0")); err != nil {
			return doing("enter a cgroup", err)
		}
	}
	if err := s.confine(); err != nil {
		return err
	}
	for _, l := range s.Rlimits {
		if err := lower(l); err != nil {
			return doing("set limits", err)
		}
	}
	if len(s.Args) == 0 {
		return nil
	}
	program, err := s.find()
	if err != nil {
		return &step{what: "find the program", exec: true, err: err}
	}
	attr := &syscall.ProcAttr{
		Dir:   s.Dir,
		Env:   s.Env,
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ending {
		return doing("start", errors.New("cancelled"))
	}
	pid, err := syscall.ForkExec(program, s.Args, attr)
	if err != nil {
		return &step{what: "run " + program, exec: true, err: err}
	}
	b.tool = pid
	return nil
}

// lower sets a limit of this process and its children, if that does not raise it.
// Limits are not a thread's own, so the init lives with those of its tool.
func lower(l Rlimit) error {
	var old unix.Rlimit
	if err := unix.Getrlimit(l.Resource, &old); err != nil {
		return err
	}
	limit := min(l.Value, old.Max)
	return unix.Setrlimit(l.Resource, &unix.Rlimit{Cur: limit, Max: limit})
}

// find looks Args[0] up in the PATH that the tool will have.
func (s *Spec) find() (string, error) {
	name := s.Args[0]
	if strings.Contains(name, "/") {
		return name, nil
	}
	var dirs string
	for _, e := range s.Env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			dirs = v
		}
	}
	for dir := range strings.SplitSeq(dirs, ":") {
		if dir == "" {
			continue
		}
		file := dir + "/" + name
		if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", &os.PathError{Op: "look up", Path: name, Err: syscall.ENOENT}
}

// confine gives up, for this thread and its children, everything that the tool is
// not to have.
func (s *Spec) confine() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return doing("set no_new_privs", err)
	}
	dropBounding()
	if s.Landlock != nil {
		if err := s.Landlock.restrict(s.Network); err != nil {
			return doing("restrict by Landlock", err)
		}
	}
	if s.UID >= 0 {
		if err := become(s.UID, s.GID); err != nil {
			return err
		}
	}
	if err := dropCapabilities(); err != nil {
		return doing("drop capabilities", err)
	}
	if s.Seccomp {
		return doing("install the seccomp filter", filter())
	}
	return nil
}

// become changes this thread's user alone: package syscall's functions would change
// the whole process's.
func become(uid, gid int) error {
	if _, _, e := syscall.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); e != 0 {
		return doing("drop groups", e)
	}
	if _, _, e := syscall.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); e != 0 {
		return doing("change group", e)
	}
	if _, _, e := syscall.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
		return doing("change user", e)
	}
	return nil
}

// secure makes uid 0 an ordinary uid, for good (securebits, capabilities(7)).
const secure = 1<<0 | 1<<1 | // SECBIT_NOROOT and its lock
	1<<5 | // SECBIT_KEEP_CAPS is locked, off
	1<<6 | 1<<7 // SECBIT_NO_CAP_AMBIENT_RAISE and its lock

// dropBounding empties what an exec could ever gain. Both calls need CAP_SETPCAP; a
// process without it has nothing to gain after no_new_privs.
func dropBounding() {
	for c := uintptr(0); c <= 63; c++ {
		if unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) != nil {
			break
		}
	}
	_ = unix.Prctl(unix.PR_SET_SECUREBITS, secure, 0, 0, 0)
}

func dropCapabilities() error {
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) // Linux before 4.3 has none
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}
