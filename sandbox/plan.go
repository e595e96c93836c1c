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
	tier   Tier // whose mechanisms are used; the report's may be lower
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

// plan decides how c is run, in tier t at best.
func (s *Sandbox) plan(t Tier, c *Command) (_ *plan, err error) {
	p := &plan{tier: t, report: s.report.clone()}
	if p.report.Tier == "" { // while probing
		p.report.Tier = t
	}
	defer func() {
		if err != nil {
			p.release()
		}
	}()
	p.spec = box.Spec{
		Args: c.Args, Env: environment(BaseEnv(), c.Env), Dir: c.Dir, Hostname: "sandbox",
		UID: -1, GID: -1, Seccomp: box.HasSeccomp(), Network: c.Network,
		Temporary: defaultTemporary, TempInodes: temporaryInodes,
	}
	if s.users != nil && (t == Full || t == Landlock) {
		if p.lease, err = s.users.lease(); err != nil {
			return nil, fmt.Errorf("lease a user: %w", err)
		}
		p.pass(p.lease.file)
		p.spec.UID, p.spec.GID = p.lease.id, p.lease.id
	}
	if c.Hold != nil {
		p.pass(c.Hold)
	}
	through, err := s.disguise(p, c)
	if err != nil {
		return nil, err
	}
	if p.namespaces() {
		p.spec.Namespaces = true
		p.show(c, through)
		system(&p.spec, c.Network)
		sortBinds(p.spec.Binds)
	} else if err := p.borrowTemp(c); err != nil {
		return nil, err
	}
	if box.LandlockVersion() > 0 {
		p.spec.Landlock = p.landlock(c)
	}
	if err := s.limit(p, c.Limits); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *plan) namespaces() bool { return p.tier == Full || p.tier == Rootless }

// borrowTemp makes a directory for temporary files of the command alone, where it has
// no /tmp of its own.
func (p *plan) borrowTemp(c *Command) error {
	dir, err := os.MkdirTemp("", "cordon-sandbox-")
	if err != nil {
		return err
	}
	p.temp = dir
	if p.spec.UID >= 0 {
		if err := os.Chown(dir, p.spec.UID, p.spec.GID); err != nil {
			return err
		}
	}
	p.spec.Env = environment(BaseEnv(), append([]string{"HOME=" + dir, "TMPDIR=" + dir}, c.Env...))
	return nil
}

// show lists what the tool sees of what it was given.
func (p *plan) show(c *Command, through *os.File) {
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
		// What a tool can write to, it can fill with links to anywhere.
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
}

// disguise decides as whom the command runs, where it has leased a user. It returns the
// mapping that shows the files of their owner as the leased user's. Where a writable
// directory cannot be shown so, the command runs as its owner, in a lower tier.
func (s *Sandbox) disguise(p *plan, c *Command) (*os.File, error) {
	if p.lease == nil {
		return nil, nil
	}
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
	switch {
	case theirs == nil:
		return nil, nil
	case !p.namespaces():
		if len(c.writes()) > 0 {
			s.runAsOwner(p, *theirs, "without namespaces only their owner can write to the files")
		}
		return nil, nil
	}
	through, err := s.mappings.from(*theirs, owner{p.lease.id, p.lease.id})
	if err != nil {
		return nil, err
	}
	for _, path := range c.writes() {
		if err := canMap(path, through); err != nil {
			s.runAsOwner(p, *theirs, fmt.Sprintf("the file system of %s cannot show its files as another user's: %v", path, err))
			return nil, nil
		}
	}
	return through, nil
}

// runAsOwner gives the leased user up.
func (s *Sandbox) runAsOwner(p *plan, o owner, why string) {
	p.spec.UID, p.spec.GID = o.uid, o.gid
	p.report.lose(OwnUser, why)
	if !p.namespaces() {
		p.report.lose(ReadOnly, why)
		p.tier, p.report.Tier, p.report.Enforced = None, None, false
		return
	}
	p.report.Tier = Rootless
	if s.rootless && o.uid == os.Geteuid() && o.gid == os.Getegid() {
		p.tier = Rootless // a user namespace is one more wall around the owner's uid
		p.spec.UID, p.spec.GID = -1, -1
	}
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
func (p *plan) landlock(c *Command) *box.Landlock {
	l := &box.Landlock{Devices: append([]string{"/dev/pts", "/dev/ptmx"}, devices...)}
	if p.namespaces() {
		l.Readable = []string{"/"}
		l.Writable = []string{"/tmp", "/dev/shm"}
	} else {
		l.Readable = append(append(append([]string{"/proc"}, programs...), settings...), c.Readable...)
		l.Readable = append(l.Readable, "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", c.Workspace)
		if c.Network {
			l.Readable = append(l.Readable, resolver...)
		}
		l.Writable = []string{p.temp}
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
	if _, ok := s.groups.dirs["pids"]; !ok && l.Processes > 0 && p.tier == Rootless {
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
