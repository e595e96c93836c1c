package pack

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cordonlabs/cordon"
)

// Heavy is a part of a tree that a target rarely wants, and that is large enough
// to matter.
type Heavy struct {
	Path   string `json:"path"`   // the folder, relative to the root, with slashes; the first where there are several
	Places int    `json:"places"` // how many folders of that name are meant
	Files  int    `json:"files"`  // regular files and links in them
	Bytes  int64  `json:"bytes"`  // in these files
	Why    string `json:"why"`    // what it is, or who makes it
	Ignore string `json:"ignore"` // the line for an IgnoreFile at the root that leaves it out
}

// suspect is a kind of folder that a target rarely wants.
type suspect struct {
	why string
	is  func(e *found) bool // nil: the name is enough, and one line for an IgnoreFile is about all of that name

	// From when on it is spoken of: below both, it costs an upload too little for
	// anybody to read about it.
	bytes int64
	files int
}

// What matters of most suspects.
const (
	heavyBytes = cordon.MB
	heavyFiles = 100
)

// suspects by the folder's name.
var suspects = map[string]suspect{
	"node_modules": {"packages that can be installed again", nil, heavyBytes, heavyFiles},
	"objects":      {"git's history, which only a search of the history reads", isGitStore, heavyBytes, heavyFiles},
	"target":       {"what cargo can build again", isCargoOutput, heavyBytes, heavyFiles},
	"venv":         {"a Python environment that can be made again", isVenv, heavyBytes, heavyFiles},
	".venv":        {"a Python environment that can be made again", isVenv, heavyBytes, heavyFiles},
	"__pycache__":  {"what Python can compile again", nil, 10 * heavyBytes, math.MaxInt}, // every project has many small ones
}

// isGitStore reports whether e is where git keeps what it stores, of a
// repository or of a submodule, which has its own below .git/modules.
func isGitStore(e *found) bool {
	return strings.Contains("/"+e.path, "/.git/") && e.in.has("HEAD") && e.in.has("refs")
}

func isCargoOutput(e *found) bool {
	return e.in.has("Cargo.toml") || e.has("CACHEDIR.TAG")
}

func isVenv(e *found) bool { return e.has("pyvenv.cfg") }

// has reports whether there is something of that name in the folder e.
func (e *found) has(name string) bool {
	d, err := e.in.folder(e.name)
	if err != nil {
		return false
	}
	defer d.close()
	return d.has(name)
}

// has reports whether there is something of that name. It decides what is spoken
// of, never what is packed, so an error is a no.
func (d folder) has(name string) bool {
	_, err := d.lstat(name)
	return err == nil
}

// scale weighs what a walk shows it.
type scale struct {
	all    []*load // in the order of the walk
	shared map[string]*load
	on     *load  // the one that the walk is in
	below  string // its folder, with a slash at the end
}

// load is what lies on a scale for one suspect.
type load struct {
	Heavy
	of suspect
}

func (s *scale) add(e *found) {
	if s.on != nil && strings.HasPrefix(e.path, s.below) {
		if !e.isDir() {
			s.on.Files++
		}
		if e.isFile() {
			s.on.Bytes += e.st.Size
		}
		return
	}
	s.on = nil
	if !e.isDir() || e.kept { // what is kept expressly is wanted
		return
	}
	if of, ok := suspects[e.name]; ok && (of.is == nil || of.is(e)) {
		s.on, s.below = s.loadOf(e, of), e.path+"/"
		s.on.Places++
	}
}

// loadOf returns what the folder is counted for.
func (s *scale) loadOf(e *found, of suspect) *load {
	if l := s.shared[e.name]; l != nil {
		return l
	}
	l := &load{Heavy{Path: e.path, Why: of.why, Ignore: "/" + escape(e.path) + "/"}, of}
	if of.is == nil {
		l.Ignore = e.name + "/"
		if s.shared == nil {
			s.shared = map[string]*load{}
		}
		s.shared[e.name] = l
	}
	s.all = append(s.all, l)
	return l
}

// heavy returns what is worth speaking of.
func (s *scale) heavy() (list []Heavy) {
	for _, l := range s.all {
		if l.Bytes >= l.of.bytes || l.Files >= l.of.files {
			list = append(list, l.Heavy)
		}
	}
	return list
}

// escape returns the pattern of an ignore file that matches a path. What cannot
// stand in a line, or would not be seen in one, becomes the sign for any byte.
func escape(path string) string {
	var b strings.Builder
	for i, n := 0, 0; i < len(path); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(path[i:])
		switch {
		case r == utf8.RuneError && n == 1, !unicode.IsPrint(r):
			b.WriteString(strings.Repeat("?", n))
		case strings.ContainsRune(`*?[\`, r):
			fmt.Fprintf(&b, `\%c`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
