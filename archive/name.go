package archive

import "strings"

// name is an entry's name, checked and made relative.
type name struct {
	// path has no empty, "." or ".." component and no slash at either end. It is
	// empty for the archive's own top directory.
	path string
	// absolute says that the archive's spelling began with a slash, which is
	// not part of path.
	absolute bool
	// directory says that the spelling is one of a directory: it ends in a
	// slash or a dot.
	directory bool
}

// parseName checks a name as an archive spells it. Any byte but NUL is legal
// in a component: names are bytes on Linux, and a backslash is one of them.
func parseName(raw string, l Limits) (name, error) {
	if raw == "" {
		return name{}, reject("", "an entry has an empty name")
	}
	if strings.IndexByte(raw, 0) >= 0 {
		return name{}, reject(raw, "the name contains a NUL byte")
	}
	if len(raw) > 2*l.PathLen { // slashes and dots without end are no name, and would be kept for messages
		return name{}, tooLarge(raw, "pathlen", "the name has %d bytes; at most %d are allowed, however it is spelled", len(raw), 2*l.PathLen)
	}
	n := name{absolute: raw[0] == '/'}
	var b strings.Builder
	depth := 0
	for part := range strings.SplitSeq(raw, "/") {
		n.directory = part == "" || part == "."
		if n.directory {
			continue
		}
		if part == ".." {
			return name{}, reject(raw, `the name contains ".."`)
		}
		if len(part) > l.NameLen {
			return name{}, tooLarge(raw, "namelen", "a component of the name has %d bytes; at most %d are allowed", len(part), l.NameLen)
		}
		if depth++; depth > l.Depth {
			return name{}, tooLarge(raw, "depth", "the name has more than %d components", l.Depth)
		}
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(part)
		if b.Len() > l.PathLen {
			return name{}, tooLarge(raw, "pathlen", "the name has more than %d bytes", l.PathLen)
		}
	}
	n.path = b.String()
	return n, nil
}
