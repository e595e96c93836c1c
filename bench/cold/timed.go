package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lookEvery is how often the memory of running programs is looked at. Each
// process says what its peak was, so that only what it took for its last
// milliseconds may be missed.
const lookEvery = 10 * time.Millisecond

// timed runs a program in dir and measures it with all that it starts; with sync
// until its file system is written through, too.
func timed(ctx context.Context, dir string, env, argv []string, sync bool) (a answer, err error) {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var said bytes.Buffer
	c.Dir, c.Stderr = dir, &said
	c.Env = append(os.Environ(), append([]string{"LC_ALL=C.UTF-8"}, env...)...)
	// All of a pipeline is to end, not only its shell.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	start := time.Now()
	if err := c.Start(); err != nil {
		return a, err
	}
	stop, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- watchMemory(c.Process.Pid, stop) }()
	err = c.Wait()
	a.Done = time.Since(start).Seconds()
	close(stop)
	a.Peak = <-peak
	if err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return a, fmt.Errorf("%s: %w: %s", c, err, first)
	}
	a.CPU = (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
	if sync {
		if err := syncFS(dir); err != nil {
			return a, err
		}
		a.Durable = time.Since(start).Seconds()
	}
	return a, nil
}

// watchMemory returns the most that the process pid and its descendants had
// together, in bytes: what rusage says counts the process that started them.
func watchMemory(pid int, stop <-chan struct{}) (peak int64) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return peak
		case <-tick.C:
			peak = max(peak, memoryOf(pid))
		}
	}
}

// memoryOf returns the sum of the peaks of pid and its descendants, as far as
// they are still there.
func memoryOf(pid int) int64 {
	sum, err := peakOf(pid)
	if err != nil {
		return 0 // it has ended
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return sum
	}
	for _, f := range strings.Fields(string(children)) {
		if child, err := strconv.Atoi(f); err == nil {
			sum += memoryOf(child)
		}
	}
	return sum
}

// peakOf returns the most memory that a process had so far.
func peakOf(pid int) (int64, error) {
	return kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmHWM")
}
