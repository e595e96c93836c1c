package archive

import "time"

// entry makes one entry, or notes it for the end.
func (x *extraction) entry(e *entry) error {
	if e.name.absolute {
		x.report.stripped(e.spelling)
	}
	for _, what := range e.drops {
		x.report.drop(e.name.path, what)
	}
	parent, base, err := x.parents(e)
	if err != nil {
		return err
	}
	if base == "" {
		if e.kind != directory {
			return reject(e.spelling, "the archive's top directory cannot be anything else")
		}
		return nil // it is the caller's directory: made already, with a mode and time of its own
	}
	at, exists := x.tree.child(parent, base)
	switch e.kind {
	case directory:
		if exists {
			return x.sameDirectory(at, e)
		}
		return x.mkdir(parent, base, e)
	case regular:
		return x.file(parent, base, at, exists, e)
	case symlink:
		return x.noteLink(parent, base, at, exists, e)
	}
	return x.hardLink(parent, base, at, exists, e)
}

// parents makes the directories that e's name implies and returns the node of
// the last one, and the last component.
func (x *extraction) parents(e *entry) (nodeID, string, error) {
	at, path := rootID, e.name.path
	if cut := lastSlash(path); cut >= 0 && path[:cut] == x.lastDir {
		return x.lastParent, path[cut+1:], nil
	}
	for i := 0; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		part := path[:i]
		if cut := lastSlash(part); cut >= 0 {
			part = part[cut+1:]
		}
		next, ok := x.tree.child(at, part)
		if !ok {
			if err := x.mkdir(at, part, e); err != nil {
				return 0, "", err
			}
			next, _ = x.tree.child(at, part)
			x.tree.nodes[next].value = noTime // its own entry may come, or not
		}
		if n := &x.tree.nodes[next]; n.kind != directory {
			return 0, "", reject(e.spelling, "%s is %s, and this entry uses it as a directory", quote(path[:i]), n.what())
		}
		at = next
	}
	cut := lastSlash(path)
	if cut >= 0 {
		x.lastDir, x.lastParent = path[:cut], at // a directory stays one
	}
	return at, path[cut+1:], nil
}

func lastSlash(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '/' {
			return i
		}
	}
	return -1
}

func (x *extraction) mkdir(parent nodeID, base string, e *entry) error {
	if err := x.budget.name(e.spelling); err != nil {
		return err
	}
	if err := x.budget.take(diskBlock, 1); err != nil {
		return err
	}
	id := x.tree.add(parent, base, node{kind: directory, value: clampTime(e.modified).UnixNano()})
	if err := x.sink.mkdir(id); err != nil {
		return err
	}
	x.report.Dirs++
	return nil
}

// sameDirectory accepts a directory that was there: repeated, or implied by an
// entry below it. The last one's time counts.
func (x *extraction) sameDirectory(at nodeID, e *entry) error {
	n := &x.tree.nodes[at]
	if n.kind != directory {
		return reject(e.spelling, "it is %s in one entry and a directory in another", n.what())
	}
	n.value = clampTime(e.modified).UnixNano()
	return nil
}

// directories gives every directory the time that an entry said it has: last of
// all, for whatever is made in a directory changes its time.
func (x *extraction) directories() error {
	for id := range x.tree.nodes {
		n := &x.tree.nodes[id]
		if n.kind != directory || nodeID(id) == rootID {
			continue
		}
		if err := x.src.ctx.Err(); err != nil {
			return err
		}
		var modified time.Time
		if n.value != noTime {
			modified = time.Unix(0, n.value)
		}
		if err := x.sink.finishDir(nodeID(id), modified); err != nil {
			return err
		}
	}
	return nil
}
