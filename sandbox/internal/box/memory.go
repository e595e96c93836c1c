package box

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// watchMemory ends everything once the processes inside, and the file systems that
// are memory, hold more than they may: where there is no cgroup that would. What grows
// and shrinks between two looks is missed, and so is what no process has mapped. A
// tool of the init's uid may lower the init's limits until it cannot look any more:
// that ends it as well.
func (b *box) watchMemory() {
	for range time.Tick(b.spec.MemoryEvery) {
		pids, err := descendants()
		if err != nil || b.spec.memory(pids, status) > b.spec.Memory && b.spec.memory(pids, rollup) > b.spec.Memory {
			b.end("memory")
			return
		}
	}
}

// held is bytes of memory that are no program's: what processes share by mapping one
// counts for none of them.
type held struct{ private, shared int64 }

// memory adds up what processes hold by measure, and the temporary file systems do.
// What is mapped of those is in both, and counts once.
func (s *Spec) memory(pids []int, measure func(pid int) held) int64 {
	var sum held
	for _, pid := range pids {
		h := measure(pid)
		sum.private += h.private
		sum.shared += h.shared
	}
	if !s.Namespaces { // then they are the host's
		return sum.private + sum.shared
	}
	return sum.private + max(sum.shared, used("/tmp")+used("/dev/shm"))
}

// status is quick, and counts what processes share once for each.
func status(pid int) held {
	f := kilobytes("/proc/"+strconv.Itoa(pid)+"/status", "RssAnon:", "RssShmem:")
	return held{f[0], f[1]}
}

// rollup divides what processes share among them, and looks at each page for that.
func rollup(pid int) held {
	f := kilobytes("/proc/"+strconv.Itoa(pid)+"/smaps_rollup", "Pss_Anon:", "Pss_Shmem:")
	if f[0] == 0 { // an old kernel, or a process that cannot be looked into
		return status(pid)
	}
	return held{f[0], f[1]}
}

// kilobytes returns in bytes what a file of /proc gives in kB, by the beginnings of
// its lines; zeros where it cannot be read.
func kilobytes(file string, names ...string) []int64 {
	data, err := os.ReadFile(file)
	if err != nil {
		return make([]int64, len(names)) // it has ended, or descendants fails as well
	}
	values := make([]int64, len(names))
	for line := range strings.Lines(string(data)) {
		for i, name := range names {
			if rest, ok := strings.CutPrefix(line, name); ok {
				n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64) // the kernel's own numbers
				values[i] = n << 10
			}
		}
	}
	return values
}

// used returns how many bytes the temporary file system at path takes.
func used(path string) int64 {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil || st.Type != unix.TMPFS_MAGIC {
		return 0
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize
}
