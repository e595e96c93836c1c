package loopfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long something that a test has just ended may still use its
// mount: a killed process on a busy machine, or one between fork and exec.
const patience = 2 * time.Second

// devicePatience is how long its loop device may be in use though nobody has it
// any more: the kernel takes a mount namespace apart some time after its last
// process ended.
const devicePatience = 10 * time.Second

// release unmounts point and waits until the loop device behind it is free.
// What keeps it is a defect of the test or of what it tests, and is reported;
// the mounts are taken away all the same, for the machine has other users. One
// of those may have taken a copy of the mount into a mount namespace of its own,
// as every container does that is started meanwhile: that is no defect, and the
// device is freed when it ends.
func release(t testing.TB, point, image string) {
	t.Helper()
	err := within(patience, func() error { return unix.Unmount(point, unix.UMOUNT_NOFOLLOW) })
	if err != nil {
		t.Errorf("unmount %s: %v\n%s", point, err, users(point))
		for _, m := range slices.Backward(append([]string{point}, mountsBelow(point)...)) {
			_ = unix.Unmount(m, unix.MNT_DETACH) // what stays is reported as the device's user
		}
	}
	if image == "" {
		return
	}
	free := func() error {
		if dev := attached(image); dev != "" {
			return fmt.Errorf("%s is still in use: a mount in another namespace, or one that was made of it, keeps it", dev)
		}
		return nil
	}
	if err = within(patience, free); err == nil {
		return
	}
	if others := namespaces(point); others != "" {
		t.Logf("%v\n%s", err, others)
	} else if err = within(devicePatience, free); err != nil {
		t.Error(err)
	}
}

// within tries until it works or the time is over.
func within(d time.Duration, try func() error) error {
	for end := time.Now().Add(d); ; time.Sleep(5 * time.Millisecond) {
		if err := try(); err == nil || time.Now().After(end) || errors.Is(err, unix.EPERM) {
			return err
		}
	}
}

// mountsBelow returns the mount points below point, outer ones first.
func mountsBelow(point string) []string {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil // then nothing can be said
	}
	var all []string
	for line := range strings.Lines(string(b)) {
		// 36 35 98:0 /root /point options …; proc(5). Paths of tests need no unescaping.
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], point+"/") {
			all = append(all, f[4])
		}
	}
	return all
}

// users says what keeps point busy, as far as this process may see it.
func users(point string) string {
	var b strings.Builder
	for _, m := range mountsBelow(point) {
		fmt.Fprintf(&b, "a mount: %s\n", m)
	}
	links, _ := filepath.Glob("/proc/[0-9]*/*") // the pattern is well-formed
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	maps, _ := filepath.Glob("/proc/[0-9]*/map_files/*")
	for _, l := range slices.Concat(links, fds, maps) {
		to, err := os.Readlink(l) // most are no links, or of processes that ended
		if err != nil || to != point && !strings.HasPrefix(to, point+"/") {
			continue
		}
		pid := strings.Split(l, "/")[2]
		name, _ := os.ReadFile("/proc/" + pid + "/comm") // it may have ended by now
		fmt.Fprintf(&b, "process %s (%s): %s is %s\n", pid, strings.TrimSpace(string(name)), l, to)
	}
	if b.Len() == 0 {
		return "nothing that this process can see uses it"
	}
	return b.String()
}

// namespaces says which processes see a mount at point that this one does not.
func namespaces(point string) string {
	var b strings.Builder
	tables, _ := filepath.Glob("/proc/[0-9]*/mountinfo") // the pattern is well-formed
	for _, t := range tables {
		table, err := os.ReadFile(t) // most end meanwhile, or see none
		if err == nil && strings.Contains(string(table), " "+point+" ") {
			pid := strings.Split(t, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm") // it may have ended by now
			fmt.Fprintf(&b, "process %s (%s) has it in its mount namespace\n", pid, strings.TrimSpace(string(name)))
		}
	}
	return b.String()
}
