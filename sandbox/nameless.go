package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// statBlock is the unit of st_blocks in bytes (stat(2)).
const statBlock = 512

// nameless adds up what the command's processes have open on the disks of its writable
// directories and has no name any more: as good a way to fill a disk as any, and no
// walk sees it. What is only mapped is missed.
type nameless struct {
	disks map[uint64]bool // device numbers
	seen  map[inode]bool

	bytes, inodes int64
}

type inode struct{ dev, ino uint64 }

// measureNameless looks at the process pid and everything below it.
func (p *Process) measureNameless() nameless {
	n := nameless{disks: map[uint64]bool{}, seen: map[inode]bool{}}
	for _, path := range p.c.writes() {
		var st unix.Stat_t
		if unix.Stat(path, &st) == nil { // else its owner has removed it
			n.disks[st.Dev] = true
		}
	}
	for pids := []string{strconv.Itoa(p.cmd.Process.Pid)}; len(pids) > 0; {
		proc := filepath.Join("/proc", pids[len(pids)-1])
		pids = append(pids[:len(pids)-1], children(proc)...)
		n.add(filepath.Join(proc, "fd"))
	}
	return n
}

// children returns the processes that proc, a directory of /proc, has started or been
// left with; of one that has ended meanwhile, none.
func children(proc string) (pids []string) {
	threads, _ := filepath.Glob(proc + "/task/*/children")
	for _, name := range threads {
		list, err := os.ReadFile(name)
		if err == nil {
			pids = append(pids, strings.Fields(string(list))...)
		}
	}
	return pids
}

// add adds what is open in a directory of descriptors. Looking at one does nothing to
// what it is of (proc(5)).
func (n *nameless) add(fds string) {
	dir, err := os.Open(fds)
	if err != nil {
		return // it has ended
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		var st unix.Stat_t
		if unix.Fstatat(int(dir.Fd()), name, &st, 0) != nil || st.Nlink > 0 || st.Mode&unix.S_IFMT != unix.S_IFREG || !n.disks[st.Dev] {
			continue
		}
		id := inode{st.Dev, st.Ino}
		if n.seen[id] {
			continue
		}
		n.seen[id] = true
		n.bytes += st.Blocks * statBlock
		n.inodes++
	}
}
