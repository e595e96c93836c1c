package box

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reap waits for the tool, kills what it left, waits until none of it is there any
// more, and says how the tool ended.
func (b *box) reap() Event {
	e := Event{Ended: true}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			break // ECHILD: nothing is left
		}
		b.mu.Lock()
		if pid == b.tool {
			e.Status = status
			b.ending = true
		}
		if b.ending {
			b.killAll()
		}
		b.mu.Unlock()
	}
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_CHILDREN, &used) == nil {
		e.CPU = time.Duration(used.Utime.Nano() + used.Stime.Nano())
		e.MaxRSS = used.Maxrss << 10
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e.Limit = b.limit
	return e
}

// killAll kills every process inside once. Whoever calls it calls it again after
// each death, because without a pid namespace new ones may have been missed.
func (b *box) killAll() {
	if b.spec.Namespaces {
		_ = syscall.Kill(-1, syscall.SIGKILL) // all but the init itself; ESRCH: there is none
		return
	}
	_ = syscall.Kill(-b.tool, syscall.SIGKILL)
	pids, _ := descendants() // without a pid namespace, a tool of another uid cannot get in its way
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// descendants returns the processes below this one, parents first. What is
// orphaned stays below, for this process is its subreaper.
func descendants() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			parent := parentOf(pid)
			children[parent] = append(children[parent], pid)
		}
	}
	all := children[os.Getpid()]
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// parentOf reads the fourth field of /proc/PID/stat. The second one, the name in
// brackets, holds whatever the process likes.
func parentOf(pid int) int {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1]) // 0 is nobody's parent in here
	return parent
}
