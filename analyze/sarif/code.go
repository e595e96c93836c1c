package sarif

import (
	"regexp"
	"strings"
)

// maxSource is the largest file, in bytes, that a snippet is cut out of.
const maxSource = 4 << 20

// around is how many lines before and after a snippet its secrets are looked for in:
// a private key has so many, and what makes them one stands at its ends.
const around = 100

// maxLines and maxLine bound a snippet.
const (
	maxLines = 5
	maxLine  = 300 // bytes
)

// source is the file that was read last: results come file by file.
type source struct {
	path  string
	lines []string
}

// code returns the lines first to last of a file in the workspace, without secrets;
// "" where they are not there.
func (r *reader) code(path string, first, last int) string {
	if r.Tree == nil {
		return ""
	}
	if r.source.path != path {
		r.source = source{path: path}
		if b, err := r.Tree.ReadFile(path, maxSource); err == nil { // else there is no snippet
			r.source.lines = strings.Split(string(b), "\n")
		}
	}
	lines := r.source.lines
	last = min(last, len(lines), first+maxLines-1)
	if first > last {
		return ""
	}
	from := max(first-1-around, 0)
	window := strings.Split(r.Scrubber.Scrub(strings.Join(lines[from:min(last+around, len(lines))], "\n")), "\n")
	if len(window) < last-from {
		return "" // a scrubber keeps lines; one that did not is not to be trusted with this text
	}
	return cut(strings.Join(window[first-1-from:last-from], "\n"))
}

// cut bounds a snippet.
func cut(s string) string {
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		if len(out) == maxLines {
			break
		}
		line = strings.TrimRight(line, " \t\r")
		if len(line) > maxLine {
			line = line[:maxLine]
		}
		out = append(out, strings.ToValidUTF8(line, ""))
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

var literals = regexp.MustCompile("\"(?:[^\"\\\\\n]|\\\\.)*\"|'(?:[^'\\\\\n]|\\\\.)*'|`[^`]*`")

// key is the code without its strings: neither a secret, nor another text in the
// same place, changes a fingerprint.
func key(code string) string { return literals.ReplaceAllString(code, `""`) }
