package pack

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// IgnoreFile is the name of the files that say what is not packed. One may lie
// in any folder of a tree and is about that folder and what is below it; it is
// itself packed. Its syntax is that of gitignore(5): comments, negation by '!',
// a '/' that anchors, one at the end that means folders only, '*', '?', '[…]',
// '**', '\' before a character that is meant as it is; the last pattern that
// matches decides, a deeper file before one above, and nothing can be had back
// from a folder that is itself left out.
const IgnoreFile = ".cordonignore"

// maxIgnoreFile is the largest ignore file that is read, in bytes. It is a
// thousand times what people write by hand.
const maxIgnoreFile = 1 << 20

// rule is one line of an ignore file.
type rule struct {
	negated  bool
	dirsOnly bool
	base     bool // matches the last part of a path, else all of it
	match    func(string) bool
}

// ruleset is what one ignore file says; paths are relative to its folder.
type ruleset struct {
	dir   string // of the file, relative to the tree's root; "" for the root
	rules []rule
}

// parseIgnore reads an ignore file. No text is an error: a pattern that is
// malformed matches nothing, as with git.
func parseIgnore(dir, text string) ruleset {
	rs := ruleset{dir: dir}
	text = strings.TrimPrefix(text, "\ufeff")
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if r, ok := parseRule(trimSpaces(line)); ok {
			rs.rules = append(rs.rules, r)
		}
	}
	return rs
}

// trimSpaces removes the spaces at the end of s but one that a backslash is before.
func trimSpaces(s string) string {
	end := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ':
			continue
		case '\\':
			if i++; i == len(s) {
				return s
			}
		}
		end = i + 1
	}
	return s[:end]
}

func parseRule(p string) (r rule, ok bool) {
	if p == "" {
		return r, false
	}
	p, r.negated = strings.CutPrefix(p, "!")
	p, r.dirsOnly = strings.CutSuffix(p, "/")
	r.base = !strings.Contains(p, "/")
	p = strings.TrimPrefix(p, "/")
	if p == "" {
		return r, false
	}
	r.match = compile(p, r.base)
	return r, true
}

// decides reports whether a rule of rs is about path, and whether it leaves it out.
func (rs ruleset) decides(path string, isDir bool) (ignored, decided bool) {
	rel := path
	if rs.dir != "" {
		rel = path[len(rs.dir)+1:]
	}
	base := rel[strings.LastIndexByte(rel, '/')+1:]
	for i := len(rs.rules) - 1; i >= 0; i-- {
		r := rs.rules[i]
		if r.dirsOnly && !isDir {
			continue
		}
		s := rel
		if r.base {
			s = base
		}
		if r.match(s) {
			return !r.negated, true
		}
	}
	return false, false
}

// verdict reports whether path is left out by sets, which are those of its
// folder and of the folders above, from the root down, and whether any of them is
// about it at all. That the folders above are not left out themselves is up to
// the caller.
func verdict(sets []ruleset, path string, isDir bool) (ignored, decided bool) {
	for i := len(sets) - 1; i >= 0; i-- {
		if ignored, ok := sets[i].decides(path, isDir); ok {
			return ignored, true
		}
	}
	return false, false
}

// readIgnore reads the ignore file of the folder d, whose path in the tree is
// dir. One that cannot be read, or is not a regular file, is an error: to go on
// without it would send away what somebody wanted kept.
func readIgnore(d folder, dir string) (rs ruleset, err error) {
	e := found{in: d, name: IgnoreFile}
	if e.st, err = d.lstat(IgnoreFile); err != nil {
		return rs, err
	}
	if !e.isFile() {
		return rs, errors.New("it is not a regular file")
	}
	b, err := e.content(maxIgnoreFile)
	if err != nil {
		return rs, err
	}
	return parseIgnore(dir, string(b)), nil
}

// content returns what is in the regular file e, which may have that many bytes.
func (e *found) content(most int64) ([]byte, error) {
	if e.st.Size > most {
		return nil, fmt.Errorf("it has more than %d bytes", most)
	}
	fd, err := e.in.file(e.name)
	if err != nil {
		return nil, e.cause(err)
	}
	defer closeFile(fd)
	b := make([]byte, e.st.Size+1) // one more, which a file that grows fills
	var n int
	for n < len(b) {
		m, err := readFile(fd, b[n:])
		if err != nil {
			return nil, e.cause(err)
		}
		if m == 0 {
			break
		}
		n += m
	}
	if st, err := statFile(fd); err != nil || !same(&st, &e.st) || int64(n) != e.st.Size {
		return nil, cmp.Or(err, errChanging)
	}
	return b[:n], nil
}
