package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/sandbox/internal/box"
)

const (
	// defaultTemporary bounds /tmp, and again /dev/shm, which are memory.
	defaultTemporary = 1 << 30
	// temporaryInodes bounds them too: an inode takes a kilobyte of the kernel's memory.
	temporaryInodes = 100_000

	// memoryEvery is how often memory is measured where no cgroup limits it.
	memoryEvery = 50 * time.Millisecond
)

// plan is how one command will be run: what its init is told, and what must be kept
// until it has ended.
type plan struct {
	spec   box.Spec
	report Report
	lease  *lease
	group  *group
	files  []*os.File // the init's, from descriptor 4 on; borrowed
	temp   string     // a directory to be removed, where there is no root of its own
}

// pass hands a descriptor to the init, and returns its number there.
func (p *plan) pass(f *os.File) int {
	p.files = append(p.files, f)
	return box.Control + len(p.files)
}

// release gives everything back once the init is dead.
func (p *plan) release() {
	if p.group != nil {
		p.group.remove()
	}
	p.lease.release()
	if p.temp != "" {
		_ = os.RemoveAll(p.temp) // in the system's temporary directory, which is cleared by others
	}
}

// plan decides how c is run in tier t.
func (s *Sandbox) plan(t Tier, c *Command) (_ *plan, err error) {
	p := &plan{report: s.report.clone()}
	if p.report.Tier == "" { // while probing
		p.report.Tier = t
	}
	defer func() {
		if err != nil {
			p.release()
		}
	}()
	p.spec = box.Spec{
		Args: c.Args, Env: environment(BaseEnv(), c.Env), Dir: c.Dir,
		Namespaces: t == Full || t == Rootless, Hostname: "sandbox",
		UID: -1, GID: -1, Seccomp: true, Network: c.Network,
		Temporary: defaultTemporary, TempInodes: temporaryInodes,
	}
	if s.users != nil && t != Rootless && t != None {
		if p.lease, err = s.users.lease(); err != nil {
			return nil, fmt.Errorf("lease a user: %w", err)
		}
		p.pass(p.lease.file)
		p.spec.UID, p.spec.GID = p.lease.id, p.lease.id
	}
	if c.Hold != nil {
		p.pass(c.Hold)
	}
	if err := s.show(p, c); err != nil {
		return nil, err
	}
	if p.spec.Namespaces {
		system(&p.spec, c.Network)
		sortBinds(p.spec.Binds)
	}
	if box.LandlockVersion() > 0 {
		p.spec.Landlock = landlock(p.spec.Namespaces, c)
	}
	if err := s.limit(p, c.Limits); err != nil {
		return nil, err
	}
	return p, nil
}

// show decides as whom the tool runs, and how it sees what it was given.
func (s *Sandbox) show(p *plan, c *Command) error {
	var through *os.File
	if p.lease != nil {
		var err error
		if through, err = s.disguise(p, c); err != nil {
			return err
		}
	}
	bind := func(path string, writable, follow bool) {
		b := box.Bind{Path: path, Writable: writable, Follow: follow}
		if through != nil {
			b.Mapped = canMap(path, through) == nil
		}
		p.spec.Binds = append(p.spec.Binds, b)
	}
	for _, path := range c.Readable {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		bind(path, false, !within(path, c.writes()))
	}
	if c.Workspace != "" && c.ReadOnly {
		bind(c.Workspace, false, false)
	}
	for _, path := range c.writes() {
		bind(path, true, false)
	}
	if through != nil {
		p.spec.IDMap = p.pass(through)
	}
	return nil
}

// disguise returns the mapping that shows the files of the command's owner as those
// of the leased user. Where a writable directory cannot be shown so, the command runs
// as its owner.
func (s *Sandbox) disguise(p *plan, c *Command) (*os.File, error) {
	own := owner{p.lease.id, p.lease.id}
	var theirs *owner
	for _, path := range append(c.writes(), c.Workspace) {
		if path == "" {
			continue
		}
		o, err := ownerOf(path)
		if err != nil {
			return nil, c.fail(err, "give a directory that exists")
		}
		if theirs != nil && *theirs != o {
			return nil, c.fail(fmt.Errorf("%s belongs to another user than the workspace", path), "give directories of one owner")
		}
		theirs = &o
	}
	if theirs == nil || !p.spec.Namespaces {
		return nil, nil
	}
	through, err := s.mappings.from(*theirs, own)
	if err != nil {
		return nil, err
	}
	for _, path := range c.writes() {
		if err := canMap(path, through); err != nil {
			p.spec.UID, p.spec.GID = theirs.uid, theirs.gid
			p.report.Tier = Rootless
			p.report.lose(OwnUser, fmt.Sprintf("the file system of %s cannot show its files as another user's: %v", path, err))
			return nil, nil
		}
	}
	return through, nil
}

// within reports whether path is one of dirs or below one.
func within(path string, dirs []string) bool {
	for _, d := range dirs {
		if path == d || d != "" && strings.HasPrefix(path, d+"/") {
			return true
		}
	}
	return false
}

// landlock is the second wall behind the mounts, and the only one where there are none.
func landlock(namespaces bool, c *Command) *box.Landlock {
	l := &box.Landlock{Devices: append([]string{"/dev/pts", "/dev/ptmx"}, devices...)}
	if namespaces {
		l.Readable = []string{"/"}
		l.Writable = []string{"/tmp", "/dev/shm"}
	} else {
		l.Readable = append(append(append([]string{"/proc"}, programs...), settings...), c.Readable...)
		l.Readable = append(l.Readable, "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", c.Workspace)
		if c.Network {
			l.Readable = append(l.Readable, resolver...)
		}
	}
	l.Writable = append(l.Writable, c.writes()...)
	return l
}

// limit arranges for the limits, and notes which cannot be kept.
func (s *Sandbox) limit(p *plan, l Limits) error {
	limits := []box.Rlimit{{Resource: unix.RLIMIT_CORE, Value: 0}}
	if l.Bytes > 0 {
		limits = append(limits, box.Rlimit{Resource: unix.RLIMIT_FSIZE, Value: uint64(l.Bytes)})
		p.spec.Temporary = min(p.spec.Temporary, l.Bytes)
	}
	if l.Inodes > 0 {
		p.spec.TempInodes = min(p.spec.TempInodes, max(l.Inodes, 16))
	}
	if l.Memory > 0 {
		p.spec.Temporary = min(p.spec.Temporary, l.Memory)
	}
	if len(s.groups.dirs) > 0 && (l.Memory > 0 || l.Processes > 0 || l.CPU > 0) {
		var err error
		if p.group, err = s.groups.make(p.name(), l); err != nil {
			return fmt.Errorf("make a cgroup: %w", err)
		}
		for _, f := range p.group.enter {
			p.spec.Cgroups = append(p.spec.Cgroups, p.pass(f))
		}
	}
	if _, ok := s.groups.dirs["memory"]; !ok && l.Memory > 0 {
		p.spec.Memory, p.spec.MemoryEvery = l.Memory, memoryEvery
	}
	if _, ok := s.groups.dirs["pids"]; !ok && l.Processes > 0 && p.report.Keeps(LimitProcesses) {
		limits = append(limits, box.Rlimit{Resource: unix.RLIMIT_NPROC, Value: uint64(l.Processes + initThreads)})
	}
	p.spec.Rlimits = limits
	return nil
}

// name is one that no two living sandboxes have.
func (p *plan) name() string {
	if p.lease != nil {
		return fmt.Sprintf("run-%d", p.lease.id)
	}
	return "run-" + rand.Text()
}
