package crash

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cordonlabs/cordon/fuzz"
)

// linesOf returns the lines of a log, within the bounds.
func linesOf(log string) []string {
	if len(log) > maxLog {
		log = log[:maxLog/2] + "\n" + log[len(log)-maxLog/2:]
	}
	lines := strings.Split(log, "\n")
	for i, line := range lines {
		if len(line) > maxLine {
			line = line[:maxLine]
		}
		lines[i] = strings.TrimRight(line, "\r")
	}
	return lines
}

// clean returns at most n bytes of s as valid UTF-8, line ends and tabs the only
// control characters. What it takes away is replaced by U+FFFD: a reader sees that
// something was there.
func clean(s string, n int) string {
	var b strings.Builder
	for _, r := range s { // a byte that is not UTF-8 is U+FFFD, too
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029') {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > n {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// oneLine makes all white space single spaces.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// maxType is the longest type, in bytes: rules and file names are made of it.
const maxType = 80

// slug makes s a type: what is no letter, digit or one of "._" becomes a dash.
func slug(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '.' || r == '_':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= maxType {
			break
		}
	}
	if s := strings.Trim(b.String(), "-."); s != "" {
		return s
	}
	return "unknown"
}

// put sets a frame's file, from a log.
func (p *parser) put(f *Frame, file string) { f.File, f.own = p.place(file) }

// place makes a file's name of a log what Frame.File is, and reports whether it lies in
// one of the roots.
func (p *parser) place(file string) (name string, own bool) {
	if file == "" || file == "<null>" || file == "??" {
		return "", false
	}
	if file[0] == '<' {
		return file, false // Python's "<string>"
	}
	file = path.Clean(file)
	for _, root := range p.roots {
		if rest, ok := strings.CutPrefix(file, root); ok {
			if !strings.HasPrefix(rest, fuzz.WorkDir+"/") {
				return rest, true
			}
			if _, crate, ok := strings.Cut(rest, "/registry/src/"); ok {
				if _, crate, ok = strings.Cut(crate, "/"); ok {
					return crates + crate, false
				}
			}
			return rest, false // an engine made it
		}
	}
	for _, mark := range toolchains {
		if i := strings.Index(file, mark.in); i >= 0 {
			return mark.as + file[i+len(mark.in):], false
		}
	}
	if rest, ok := strings.CutPrefix(file, "/rustc/"); ok {
		if _, rest, ok = strings.Cut(rest, "/"); ok {
			return "rustc/" + rest, false
		}
	}
	return file, false
}

// crates is where the sources of Rust's dependencies are, in a Frame's file.
const crates = "cargo/registry/"

// elsewhere are the beginnings of files that are not of the workspace, though they
// do not say where they are.
var elsewhere = prefixes("site-packages/", "go/pkg/mod/", "rustc/", crates, fuzz.WorkDir+"/")

// inWorkspace reports whether a Frame's file is one of the workspace.
func inWorkspace(file string) bool {
	return !elsewhere(file) && file != "" && file[0] != '/' && file[0] != '<' && file != ".." && !strings.HasPrefix(file, "../")
}
