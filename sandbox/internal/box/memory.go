package box

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// watchMemory ends everything once the processes inside have more memory resident
// than they may: where there is no cgroup that would. What grows and shrinks
// between two looks is missed.
func (b *box) watchMemory() {
	for range time.Tick(b.spec.MemoryEvery) {
		var sum int64
		for _, pid := range descendants() {
			sum += private(pid)
		}
		if sum > b.spec.Memory {
			b.end("memory")
			return
		}
	}
}

// private returns the resident bytes of a process that are no file's: what several
// processes share by mapping one program counts for none of them.
func private(pid int) int64 {
	statm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(fields[1], 10, 64) // the kernel's own numbers
	shared, _ := strconv.ParseInt(fields[2], 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}
