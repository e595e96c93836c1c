package archive

// hardLink notes another name of a file that came before, for the end. A link
// that is there already, to the same file, is fine: tar writes one for a file
// that it was told to pack twice.
func (x *extraction) hardLink(parent nodeID, base string, at nodeID, exists bool, e *entry) error {
	to, err := parseName(e.target, x.limits)
	if err != nil {
		return reject(e.spelling, "it is a hard link to %s, which is no name of a file in the archive", quote(e.target))
	}
	old, ok := x.tree.find(to.path)
	if ok && x.tree.nodes[old].kind == hardLink {
		old = nodeID(x.tree.nodes[old].value)
	}
	switch {
	case !ok:
		return reject(e.spelling, "it is a hard link to %s, which no entry before it has made", quote(e.target))
	case x.tree.nodes[old].kind != regular:
		return reject(e.spelling, "it is a hard link to %s, which is %s", quote(e.target), x.tree.nodes[old].what())
	}
	if exists {
		n := &x.tree.nodes[at]
		if at == old || n.kind == hardLink && nodeID(n.value) == old {
			return nil
		}
		return reject(e.spelling, "it is %s in one entry and a hard link in another", n.what())
	}
	if err := x.budget.name(e.spelling); err != nil {
		return err
	}
	x.tree.nodes[old].linked = true
	x.tree.add(parent, base, node{kind: hardLink, value: int64(old)})
	return nil
}

// noteLink remembers a symbolic link for the end.
func (x *extraction) noteLink(parent nodeID, base string, at nodeID, exists bool, e *entry) error {
	const pathMax = 4095 // bytes: the kernel's own limit for a target
	switch {
	case e.target == "":
		return reject(e.spelling, "the symbolic link has no target")
	case hasNUL(e.target):
		return reject(e.spelling, "the symbolic link's target contains a NUL byte")
	case len(e.target) > min(x.limits.PathLen, pathMax):
		return tooLarge(e.spelling, "pathlen", "the link's target has %d bytes; at most %d are allowed", len(e.target), min(x.limits.PathLen, pathMax))
	}
	if exists {
		n := &x.tree.nodes[at]
		if n.kind != symlink || x.tree.targets[n.value] != e.target {
			return reject(e.spelling, "it is %s in one entry and a symbolic link to %s in another", n.what(), quote(e.target))
		}
		return nil
	}
	if err := x.budget.name(e.spelling); err != nil {
		return err
	}
	if err := x.budget.target(e.spelling, e.target); err != nil {
		return err
	}
	x.tree.targets = append(x.tree.targets, e.target)
	x.tree.add(parent, base, node{kind: symlink, value: int64(len(x.tree.targets) - 1)})
	return nil
}

func hasNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}

// hardLinks gives files their other names: once every file is there, which
// saves waiting for each.
func (x *extraction) hardLinks() error {
	for id := range x.tree.nodes {
		n := &x.tree.nodes[id]
		if n.kind != hardLink {
			continue
		}
		if err := x.src.ctx.Err(); err != nil {
			return err
		}
		if err := x.sink.link(nodeID(n.value), nodeID(id)); err != nil {
			return err
		}
		x.report.HardLinks++
	}
	return nil
}

// symlinks makes the symbolic links that stay inside, then lets the sink resolve
// each once all are there.
func (x *extraction) symlinks() error {
	var made []nodeID
	for id := range x.tree.nodes {
		n := &x.tree.nodes[id]
		if n.kind != symlink {
			continue
		}
		if err := x.src.ctx.Err(); err != nil {
			return err
		}
		f, target, path := x.tree.resolve(nodeID(id)), x.tree.targets[n.value], x.tree.path(nodeID(id))
		if err := x.budget.steps(path, f.steps); err != nil {
			return err
		}
		if f.reason != "" {
			x.report.omit(Omission{Path: path, Target: target, Reason: f.reason})
			continue
		}
		if err := x.budget.take(linkBlocks(target), 1); err != nil {
			return err
		}
		if err := x.sink.symlink(target, nodeID(id)); err != nil {
			return err
		}
		x.report.Links++
		if !f.dead {
			made = append(made, nodeID(id))
		}
	}
	for _, id := range made {
		if err := x.src.ctx.Err(); err != nil {
			return err
		}
		path, target := x.tree.path(id), x.tree.targets[x.tree.nodes[id].value]
		ok, err := x.sink.stays(id)
		if err != nil {
			return err
		}
		if !ok {
			x.report.Links--
			x.budget.release(linkBlocks(target), 1)
			x.report.omit(Omission{Path: path, Target: target, Reason: "the target leads outside"})
		}
	}
	return nil
}
