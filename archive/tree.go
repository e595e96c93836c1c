package archive

import (
	"strings"
	"time"
)

// nodeID names a node of a tree. The root is 0.
type nodeID uint32

const rootID nodeID = 0

// node is one path of the tree being made. Nodes are kept for every path until
// the end, so they are small, and each holds its own component alone: a million
// deep paths must not cost a million long strings.
type node struct {
	name   string
	parent nodeID
	kind   entryKind
	linked bool // regular: a hard link leads here; symlink: it was omitted

	// directory: modification time in Unix nanoseconds, or noTime;
	// regular: bytes on disk; symlink: index into targets; hard link: the node
	// of the regular file.
	value int64
	// regular: bytes of content.
	size int64
}

const noTime = -1

// tree is the plan of an extraction: what every path is, so far. It decides
// whether entries agree with each other; it touches no file system.
type tree struct {
	nodes   []node
	index   map[nodeKey]nodeID
	targets []string // of symbolic links, as the archive spells them
}

type nodeKey struct {
	parent nodeID
	name   string
}

func newTree() *tree {
	return &tree{
		nodes: []node{{kind: directory, value: noTime}},
		index: make(map[nodeKey]nodeID),
	}
}

func (t *tree) child(parent nodeID, name string) (nodeID, bool) {
	id, ok := t.index[nodeKey{parent, name}]
	return id, ok
}

// add puts a node below parent, where none of that name is.
func (t *tree) add(parent nodeID, name string, n node) nodeID {
	n.name, n.parent = strings.Clone(name), parent // a slice of the entry's name would keep all of it
	id := nodeID(len(t.nodes))
	t.nodes = append(t.nodes, n)
	t.index[nodeKey{parent, n.name}] = id
	return id
}

// find returns the node of path, if there is one.
func (t *tree) find(path string) (nodeID, bool) {
	id := rootID
	for part := range strings.SplitSeq(path, "/") {
		next, ok := t.child(id, part)
		if !ok {
			return 0, false
		}
		id = next
	}
	return id, true
}

// path returns the path of a node.
func (t *tree) path(id nodeID) string {
	var parts []string
	for ; id != rootID; id = t.nodes[id].parent {
		parts = append(parts, t.nodes[id].name)
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteString(parts[i])
		if i > 0 {
			b.WriteByte('/')
		}
	}
	return b.String()
}

// what names a node's kind in messages.
func (n *node) what() string {
	switch n.kind {
	case directory:
		return "a directory"
	case symlink:
		return "a symbolic link"
	case hardLink:
		return "a hard link"
	}
	return "a file"
}

// Times that files can get, in Unix seconds: from 1970 to 2106. What archives
// say beyond is an accident, and some file systems cannot hold it.
const minTime, maxTime = 0, 1<<32 - 1

// clampTime brings t into the range of times that files can get. The zero time
// becomes 1970, for a time that depends on the moment of extraction would make
// two extractions differ.
func clampTime(t time.Time) time.Time {
	if t.Before(time.Unix(minTime, 0)) {
		return time.Unix(minTime, 0)
	}
	if t.After(time.Unix(maxTime, 0)) {
		return time.Unix(maxTime, 0)
	}
	return t
}
