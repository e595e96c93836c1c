package pack

import (
	"errors"
	"fmt"
	"io"
	"os"
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
	st, err := d.lstat(IgnoreFile)
	if err == nil && typeOf(&st) != 0 {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return rs, err
	}
	fd, err := d.file(IgnoreFile)
	if err != nil {
		return rs, err
	}
	f := os.NewFile(uintptr(fd), IgnoreFile)
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxIgnoreFile+1))
	if err != nil {
		return rs, err
	}
	if len(b) > maxIgnoreFile {
		return rs, fmt.Errorf("it has more than %d bytes", maxIgnoreFile)
	}
	return parseIgnore(dir, string(b)), nil
}
