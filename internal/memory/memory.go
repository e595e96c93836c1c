// Package memory says how much memory this process may still use: of the machine's,
// and of what the control groups that it is in leave it, whichever is less. In a
// container the machine's own figures are those of somebody else.
package memory

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// State is what there is at one moment, in bytes.
type State struct {
	Total     int64 // what this process and those beside it may use at most
	Available int64 // what can still be had without swapping, or being killed
}

// Read reads it anew; it costs some small files of the kernel's. A control group that
// cannot be read counts as one without a limit. Safe for concurrent use.
func Read() (State, error) {
	s, err := machine("/proc/meminfo")
	if err != nil {
		return State{}, err
	}
	for _, g := range groups() {
		s = s.within(g)
	}
	return s, nil
}

// machine reads what the kernel says of the whole machine.
func machine(file string) (State, error) {
	b, err := os.Open(file)
	if err != nil {
		return State{}, err
	}
	defer b.Close()
	fields := map[string]int64{"MemTotal": -1, "MemAvailable": -1}
	for lines := bufio.NewScanner(b); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		if _, wanted := fields[name]; wanted {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			if err != nil {
				return State{}, fmt.Errorf("%s: %w", file, err)
			}
			fields[name] = n << 10
		}
	}
	s := State{fields["MemTotal"], fields["MemAvailable"]}
	if s.Total < 0 || s.Available < 0 {
		return State{}, fmt.Errorf("%s: %w", file, errors.New("it does not say MemTotal and MemAvailable"))
	}
	return s, nil
}

// group is one control group: its directory, and what its files are called.
type group struct {
	dir                string
	limit, used, cache string // cache is the line of memory.stat with what can be taken back
}

// groups returns this process's own control group and those that it is in.
func groups() (out []group) {
	lines, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	table, err := mounts.Table()
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(lines)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		unified := f[1] == ""
		for _, m := range table {
			if unified && m.FSType == "cgroup2" || m.FSType == "cgroup" && of("memory", m.SuperOptions) && of("memory", f[1]) {
				out = append(out, upwards(m, f[2], unified)...)
			}
		}
	}
	return out
}

func of(name, list string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one == name {
			return true
		}
	}
	return false
}

// upwards returns the group at a path of a hierarchy and those above it, as far as the
// mount shows them.
func upwards(m mounts.Mount, at string, unified bool) (out []group) {
	rest, ok := strings.CutPrefix(at, strings.TrimSuffix(m.Root, "/"))
	if !ok {
		rest = "/" // of a namespace that shows no other
	}
	for ; ; rest = path.Dir(rest) {
		g := group{filepath.Join(m.Point, rest), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}
		if unified {
			g.limit, g.used, g.cache = "memory.max", "memory.current", "inactive_file"
		}
		out = append(out, g)
		if rest == "/" || rest == "." || rest == "" {
			return out
		}
	}
}

// within returns s as far as g leaves it.
func (s State) within(g group) State {
	limit, ok := number(filepath.Join(g.dir, g.limit))
	if !ok || limit >= s.Total {
		return s
	}
	s.Total = limit
	if used, ok := number(filepath.Join(g.dir, g.used)); ok {
		s.Available = min(s.Available, max(limit-used+g.reclaimable(), 0))
	}
	return s
}

// reclaimable is the part of the group's memory that the kernel takes back before it
// refuses any: files that were read and not looked at again.
func (g group) reclaimable() int64 {
	b, err := os.ReadFile(filepath.Join(g.dir, "memory.stat"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, g.cache+" "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64) // what cannot be read counts as none
			return n
		}
	}
	return 0
}

// number reads a file with one number; "max" is none, and so is a file that is not there.
func number(file string) (int64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil && n < math.MaxInt64
}
