package archive

import "strings"

// maxHops is how many symbolic links the kernel follows in one path. A link
// that needs more leads nowhere.
const maxHops = 40

// fate is what becomes of a symbolic link.
type fate struct {
	reason string // not empty: the link leads outside and is not made
	dead   bool   // it can never be followed: a loop, or too long a chain
	steps  int64  // components of targets that were looked at
}

// resolve follows the symbolic link at id as the kernel would follow it when
// all links of the archive are there. What does not exist in the tree is taken
// for a directory: the run may make one. So a link that is kept cannot lead
// outside unless the run itself makes links.
//
// Links that are omitted count as if they were there. What goes through them is
// omitted too: which links stay then does not depend on their order.
func (t *tree) resolve(id nodeID) (f fate) {
	type rest struct{ path string }
	target := t.targets[t.nodes[id].value]
	if strings.HasPrefix(target, "/") {
		return fate{reason: "the target is an absolute path"}
	}
	at := t.nodes[id].parent
	var steps int64
	defer func() { f.steps = steps }()
	missing := 0 // components below at that are not in the tree
	hops := 1
	todo := []rest{{target}}
	for len(todo) > 0 {
		top := &todo[len(todo)-1]
		part, after, more := strings.Cut(top.path, "/")
		steps++
		if more {
			top.path = after
		} else {
			todo = todo[:len(todo)-1]
		}
		switch part {
		case "", ".":
			continue
		case "..":
			switch {
			case missing > 0:
				missing--
			case at == rootID:
				if hops == 1 {
					return fate{reason: "the target leads outside"}
				}
				return fate{reason: "the target leads outside through another link"}
			default:
				at = t.nodes[at].parent
			}
			continue
		}
		if missing > 0 {
			missing++
			continue
		}
		next, ok := t.child(at, part)
		if !ok {
			missing++
			continue
		}
		switch n := &t.nodes[next]; n.kind {
		case directory:
			at = next
		case symlink:
			if hops++; hops > maxHops {
				return fate{dead: true}
			}
			target := t.targets[n.value]
			if strings.HasPrefix(target, "/") {
				return fate{reason: "the target leads outside through another link"}
			}
			todo = append(todo, rest{target})
		default:
			missing++ // a file: nothing is below it, now
		}
	}
	return fate{}
}
