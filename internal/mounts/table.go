package mounts

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Mount is one line of mountinfo, proc_pid_mountinfo(5).
type Mount struct {
	ID, Parent   int    // the parent of the topmost mount may be one that this process does not see
	Root         string // the directory of the file system that is mounted
	Point        string // where, seen from this process's root directory
	FSType       string // "ext4", "fuse.sshfs"
	Source       string // what is mounted, as the file system calls it; may be ""
	Options      string // of the mount: "rw,nosuid,relatime"
	SuperOptions string // of the file system: "rw,lowerdir=…"

	Shared     int  // the peer group in which mounts are passed on; 0 for none
	Master     int  // the peer group that mounts are received from; 0 for none
	Unbindable bool // may not be mounted a second time
}

// table is where the kernel lists the mounts that this process can see.
const table = "/proc/self/mountinfo"

// Table lists the mounts of this process's mount namespace that lie below its
// root directory. What was mounted over is listed too.
func Table() ([]Mount, error) {
	b, err := os.ReadFile(table)
	if err != nil {
		return nil, procError("list mounts", err)
	}
	all, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("list mounts: %s: %w", table, err)
	}
	return all, nil
}

func parse(b []byte) ([]Mount, error) {
	var all []Mount
	for line := range bytes.Lines(b) {
		m, err := parseLine(strings.TrimSuffix(string(line), "\n"))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
		}
		all = append(all, m)
	}
	return all, nil
}

// The fields of a line: six, optional ones, a hyphen, and three more. A space
// separates them, and two in a row have an empty field between them.
const (
	fixedFields = 6
	tailFields  = 3
)

func parseLine(line string) (Mount, error) {
	// No field before the hyphen can be a hyphen: paths begin with a slash or are
	// names with a colon ("net:[4026532008]"), and options are words.
	head, tail, found := strings.Cut(line, " - ")
	// The last may have spaces: not every file system escapes its own options.
	f, t := strings.Split(head, " "), strings.SplitN(tail, " ", tailFields)
	if !found || len(f) < fixedFields || len(t) != tailFields {
		return Mount{}, fmt.Errorf("%q is no line of mountinfo", line)
	}
	m := Mount{
		Root: unescape(f[3]), Point: unescape(f[4]), Options: f[5],
		FSType: unescape(t[0]), Source: unescape(t[1]), SuperOptions: unescape(t[2]),
	}
	var err error
	if m.ID, err = strconv.Atoi(f[0]); err != nil {
		return Mount{}, fmt.Errorf("mount id: %w", err)
	}
	if m.Parent, err = strconv.Atoi(f[1]); err != nil {
		return Mount{}, fmt.Errorf("id of the parent mount: %w", err)
	}
	for _, option := range f[fixedFields:] {
		name, value, _ := strings.Cut(option, ":")
		switch name {
		case "shared":
			m.Shared, err = strconv.Atoi(value)
		case "master":
			m.Master, err = strconv.Atoi(value)
		case "unbindable":
			m.Unbindable = true
		}
		if err != nil {
			return Mount{}, fmt.Errorf("peer group: %w", err)
		}
	}
	return m, nil
}

// unescape undoes what the kernel does to white space, backslashes and number
// signs: a backslash and three octal digits.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		if len(s) >= 4 && s[0] == '\\' {
			if c, err := strconv.ParseUint(s[1:4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				s = s[4:]
				continue
			}
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}
