package storm

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
)

func (c *claim) writable() bool { return c.certain() && !c.shared && !c.readOnly }

// most is how much a workspace may grow, in bytes.
const most = 300_000

// write changes a workspace as tools do. What it wrote has to be there from then
// on; what a process died over may be anything.
func (l *lane) write(round context.Context, c *claim) {
	if c == nil || c.growth > most {
		return
	}
	var steps []step
	t, touched := maps.Clone(c.want), map[string]bool{}
	for range 1 + l.rnd.IntN(4) {
		s, ok := l.step(c, t, touched)
		if !ok {
			continue
		}
		c.grow(s.cost(t))
		s.apply(t)
		steps = append(steps, s)
	}
	if len(steps) == 0 {
		return
	}
	a, p, ok := l.do(round, command{Op: opWrite, Target: c.st.name, Run: c.run, Path: c.path, Steps: steps})
	switch {
	case p == nil:
	case !ok:
		c.wild = maps.Clone(c.wild)
		if c.wild == nil {
			c.wild = map[string]bool{}
		}
		for name := range touched {
			c.wild[name] = true
		}
		c.ruined = c.ruined || touched[""]
	case a.Err != "":
		if c.certain() {
			l.w.fail(c.about(), "write to %s: %s", c.path, a.Err)
		}
		c.ruined = true
	default:
		c.change()
		c.want = t
	}
}

// step picks a change of t. Names in touched were changed before, or are now.
func (l *lane) step(c *claim, t tree, touched map[string]bool) (s step, ok bool) {
	mark := fmt.Sprintf("%s wrote this, change %d of it ", c.run, l.rnd.IntN(1_000_000))
	fresh := fmt.Sprintf("by-%s-%d", c.run, l.rnd.IntN(1_000_000))
	text := words(mark, 1+l.rnd.IntN(20_000))
	if _, file := t[""]; file {
		touched[""] = true
		if l.rnd.IntN(2) == 0 {
			return step{"append", "", text}, true
		}
		return step{"create", "", text}, true
	}
	pick := func(kinds ...fs.FileMode) string {
		var names []string
		for _, name := range slices.Sorted(maps.Keys(t)) {
			if slices.Contains(kinds, t[name].kind) && !c.isWild(name, touched) {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			return ""
		}
		return names[l.rnd.IntN(len(names))]
	}
	switch l.rnd.IntN(12) {
	case 0, 1:
		parent := pick(fs.ModeDir)
		s = step{"create", path.Join(parent, fresh), text}
	case 2:
		s = step{"create", pick(0), text}
	case 3, 4:
		s = step{"append", pick(0), text}
	case 5:
		s = step{"remove", pick(0, fs.ModeSymlink), ""}
	case 6:
		s = step{"remove", pick(fs.ModeDir), ""}
	case 7:
		s = step{"rename", pick(0, fs.ModeSymlink), fresh}
	case 8:
		s = step{"rename", pick(fs.ModeDir), fresh}
	case 9:
		s = step{"mkdir", fresh, ""}
	case 10:
		s = step{"link", fresh, l.w.precious}
		if l.rnd.IntN(4) == 0 && os.Geteuid() == 0 { // nobody else would come back in
			s = step{"shut", pick(fs.ModeDir), ""}
		}
	case 11:
		if c.driver == "overlay" || l.rnd.IntN(3) > 0 {
			return s, false // a mount point stays where it is
		}
		touched[""] = true
		return step{"swap", "", fmt.Sprintf(".old-%d", l.rnd.IntN(1_000_000))}, true
	}
	if s.Name == "" || touched[""] {
		return s, false
	}
	touched[s.Name] = true
	if s.Do == "rename" {
		touched[s.Data] = true
	}
	return s, true
}

func (c *claim) isWild(name string, touched map[string]bool) bool {
	for _, names := range []map[string]bool{c.wild, touched} {
		for w := range names {
			if within(name, w) || within(w, name) {
				return true
			}
		}
	}
	return false
}

// apply does to t what s does to a workspace.
func (s step) apply(t tree) {
	switch s.Do {
	case "create":
		t[s.Name] = file(s.Data)
	case "append":
		t[s.Name] = file(t[s.Name].data + s.Data)
	case "remove":
		for _, n := range t.below(s.Name) {
			delete(t, n)
		}
	case "rename":
		for _, n := range t.below(s.Name) {
			t[s.Data+n[len(s.Name):]] = t[n]
			delete(t, n)
		}
	case "mkdir":
		t[s.Name] = folder()
	case "link":
		t[s.Name] = link(s.Data)
	case "swap":
		clear(t)
	}
}

// cost is the most that s takes on disk: a view copies a file that is changed, and
// the directories on the way.
func (s step) cost(t tree) int64 {
	up := func(n int) int64 { return int64(n+block-1) / block * block }
	return 6*block + up(len(t[s.Name].data)) + up(len(t[s.Name].data)+len(s.Data))
}
