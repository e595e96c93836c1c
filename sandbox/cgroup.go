package sandbox

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// groupPrefix is what the names of our cgroups begin with.
const groupPrefix = "cordon-"

// cpuPeriod is the interval over which the kernel shares processor time out, its own
// default, in microseconds.
const cpuPeriod = 100_000

// controllers are where this process may make cgroups, for each limit: one directory
// in v2, one of each in v1.
type controllers struct {
	dirs    map[string]string // "memory", "pids", "cpu" to the directory of this process
	unified bool              // those are of v2
	why     string            // for those that are not there
}

// findControllers tries out which there are.
func findControllers() controllers {
	c := controllers{dirs: map[string]string{}, why: "no cgroup for it can be made here"}
	lines, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return c
	}
	table, err := mounts.Table()
	if err != nil {
		return c
	}
	for line := range strings.Lines(string(lines)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		for _, name := range []string{"memory", "pids", "cpu"} {
			if !slices.Contains(strings.Split(f[1], ","), name) {
				continue
			}
			if dir := groupDir(table, "cgroup", name, f[2]); dir != "" && canMakeGroup(dir) == nil {
				c.dirs[name] = dir
			}
		}
		if f[1] == "" && len(c.dirs) == 0 {
			c.addUnified(groupDir(table, "cgroup2", "", f[2]))
		}
	}
	return c
}

func (c *controllers) addUnified(dir string) {
	if dir == "" || canMakeGroup(dir) != nil {
		return
	}
	control := filepath.Join(dir, "cgroup.subtree_control")
	for _, name := range []string{"memory", "pids", "cpu"} {
		on, err := os.ReadFile(control)
		if err == nil && !slices.Contains(strings.Fields(string(on)), name) {
			err = os.WriteFile(control, []byte("+"+name), 0)
		}
		if err == nil {
			c.dirs[name], c.unified = dir, true
		} else if errors.Is(err, unix.EBUSY) {
			c.why = "this process's own cgroup has processes in it, so that its controllers cannot be passed on"
		}
	}
}

// groupDir returns the directory of the cgroup path in the hierarchy of a controller.
func groupDir(table []mounts.Mount, kind, controller, path string) string {
	for _, m := range table {
		if m.FSType != kind || controller != "" && !slices.Contains(strings.Split(m.SuperOptions, ","), controller) {
			continue
		}
		if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(m.Root, "/")); ok {
			return filepath.Join(m.Point, rest)
		}
	}
	return ""
}

func canMakeGroup(dir string) error {
	trial := filepath.Join(dir, groupPrefix+"trial-"+rand.Text())
	if err := os.Mkdir(trial, 0o755); err != nil {
		return err
	}
	return os.Remove(trial)
}

// group is the cgroups of one command.
type group struct {
	unified bool
	dirs    map[string]string
	enter   []*os.File // for the tool to write itself into
}

// make makes what the limits need, under a name that no two living sandboxes have.
// Those of a dead one are empty, and removed.
func (c *controllers) make(name string, l Limits) (*group, error) {
	g := &group{unified: c.unified, dirs: map[string]string{}}
	done := false
	defer func() {
		if !done {
			g.remove()
		}
	}()
	set := func(controller, v1, v2, value, value2 string) error {
		parent, ok := c.dirs[controller]
		if !ok {
			return nil
		}
		dir := filepath.Join(parent, groupPrefix+name)
		if g.dirs["memory"] != dir && g.dirs["pids"] != dir { // as it is in v2, for the second limit
			_ = os.Remove(dir) // with a dead one's counters
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
		}
		g.dirs[controller] = dir
		if c.unified {
			v1, value = v2, value2
		}
		return os.WriteFile(filepath.Join(dir, v1), []byte(value), 0)
	}
	if l.Memory > 0 {
		n := strconv.FormatInt(l.Memory, 10)
		if err := set("memory", "memory.limit_in_bytes", "memory.max", n, n); err != nil {
			return nil, err
		}
		if g.unified {
			// Without swap accounting there is no such file, and nothing to limit.
			_ = os.WriteFile(filepath.Join(g.dirs["memory"], "memory.swap.max"), []byte("0"), 0)
		}
	}
	if l.Processes > 0 {
		n := strconv.Itoa(l.Processes)
		v2 := strconv.Itoa(l.Processes + initThreads)
		if err := set("pids", "pids.max", "pids.max", n, v2); err != nil {
			return nil, err
		}
	}
	if l.CPU > 0 {
		quota := strconv.FormatInt(max(int64(l.CPU*cpuPeriod), 1000), 10) // the kernel's least is a millisecond
		if err := set("cpu", "cpu.cfs_quota_us", "cpu.max", quota, fmt.Sprintf("%s %d", quota, cpuPeriod)); err != nil {
			return nil, err
		}
	}
	if err := g.open(); err != nil {
		return nil, err
	}
	done = true
	return g, nil
}

// initThreads is how many threads an init has at most. It counts with its tool in a v2
// cgroup, and where resource limits do the counting.
const initThreads = 16

func (g *group) open() error {
	file := "tasks"
	if g.unified {
		file = "cgroup.procs"
	}
	opened := map[string]bool{}
	for _, dir := range g.dirs {
		if opened[dir] {
			continue
		}
		opened[dir] = true
		f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		g.enter = append(g.enter, f)
	}
	return nil
}

// hit says which limit the kernel has enforced: "memory", "processes", or "". It says
// nothing of whether the command could live with that.
func (g *group) hit() string {
	if dir, ok := g.dirs["memory"]; ok {
		file := "memory.oom_control"
		if g.unified {
			file = "memory.events"
		}
		if counter(filepath.Join(dir, file), "oom_kill") > 0 {
			return "memory"
		}
	}
	if dir, ok := g.dirs["pids"]; ok && counter(filepath.Join(dir, "pids.events"), "max") > 0 {
		return "processes"
	}
	return ""
}

// counter reads "name number" out of a file of such lines.
func counter(file, name string) int64 {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(data) {
		if f := strings.Fields(string(line)); len(f) == 2 && f[0] == name {
			n, _ := strconv.ParseInt(f[1], 10, 64) // the kernel's own number
			return n
		}
	}
	return 0
}

// remove removes the cgroups of a command that has ended. A process that is gone may
// still be counted for an instant.
func (g *group) remove() {
	for _, f := range g.enter {
		_ = f.Close() // nothing was written
	}
	g.enter = nil
	for _, dir := range g.dirs {
		for wait := time.Millisecond; ; wait *= 2 {
			err := os.Remove(dir)
			if !errors.Is(err, unix.EBUSY) || wait > 100*time.Millisecond {
				break // what stays is taken over by the next command of that name
			}
			time.Sleep(wait)
		}
	}
}
