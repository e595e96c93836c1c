package secrets

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// commitLine begins a commit in the output that history asks git for. A patch's lines begin with
// other characters, so it cannot be imitated.
const commitLine = "\x01commit "

// hunk is a run of lines that a commit added to a file.
type hunk struct {
	commit, date string
	path         string
	line         int // of its first line, in the new file
	text         string
}

// Bounds of what is held of a patch.
const (
	maxHunkBytes = 1 << 20 // a larger hunk is given out in pieces
	maxPatchLine = 4 << 20 // a longer line is cut: it is data, and git shows files over 10 MB as binary
)

// readLog reads the output of git log with patches without context and calls do for every run of added
// lines. It counts lines by the hunks' headers, so added lines that look like headers mislead
// nobody. It returns the number of commits.
func readLog(r io.Reader, do func(hunk) error) (commits int, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	var h hunk
	var text strings.Builder
	added, removed := 0, 0 // lines that the hunk still has
	next := 0              // number of the next added line
	flush := func() error {
		if text.Len() == 0 {
			return nil
		}
		h.text = text.String()
		text.Reset()
		return do(h)
	}
	for {
		line, err := readLine(br)
		if err != nil && line == "" {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return commits, errors.Join(err, flush())
		}
		switch {
		case removed > 0 && strings.HasPrefix(line, "-"):
			removed--
		case added > 0 && strings.HasPrefix(line, "+"):
			if text.Len() == 0 {
				h.line = next
			}
			text.WriteString(line[1:])
			text.WriteByte('\n')
			added--
			next++
			if added == 0 || text.Len() > maxHunkBytes {
				if err := flush(); err != nil {
					return commits, err
				}
			}
		case strings.HasPrefix(line, `\`): // no newline at end of file
		case strings.HasPrefix(line, commitLine):
			h = hunk{}
			h.commit, h.date, _ = strings.Cut(strings.TrimPrefix(line, commitLine), " ")
			if !hexID.MatchString(h.commit) {
				return commits, fmt.Errorf("git's output is not as expected")
			}
			commits++
			added, removed = 0, 0
		case strings.HasPrefix(line, "diff --git "):
			h.path = ""
			added, removed = 0, 0
		case strings.HasPrefix(line, "+++ "):
			h.path = patchPath(strings.TrimPrefix(line, "+++ "))
		case strings.HasPrefix(line, "@@ ") && h.path != "":
			removed, next, added = hunkHeader(line)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return commits, err
		}
	}
}

// readLine reads a line without its end. What is past maxPatchLine is dropped.
func readLine(br *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		part, err := br.ReadSlice('\n')
		if room := maxPatchLine - b.Len(); room > 0 {
			b.Write(part[:min(room, len(part))])
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return strings.TrimSuffix(b.String(), "\n"), err
	}
}

// hunkHeader reads "@@ -a,b +c,d @@": how many lines go, where the new ones begin, how many they are.
func hunkHeader(s string) (removed, start, added int) {
	fields := strings.Fields(s)
	if len(fields) < 3 {
		return 0, 0, 0
	}
	_, removed = span(fields[1], "-")
	start, added = span(fields[2], "+")
	return removed, start, added
}

func span(s, sign string) (start, n int) {
	a, b, ok := strings.Cut(strings.TrimPrefix(s, sign), ",")
	start, _ = strconv.Atoi(a) // git writes numbers; anything else counts as none
	n = 1
	if ok {
		n, _ = strconv.Atoi(b)
	}
	return max(start, 0), max(n, 0)
}

// patchPath reads the name behind "+++ ": without its prefix, and unquoted where git quoted it.
func patchPath(s string) string {
	s = strings.TrimSuffix(s, "\t") // git marks the end of a name with spaces by a tab
	if s == "/dev/null" {
		return ""
	}
	if strings.HasPrefix(s, `"`) {
		s = unquoteC(s)
	}
	return strings.TrimPrefix(s, "b/")
}

// unquoteC undoes git's quoting of names: C's escapes, bytes in octal.
func unquoteC(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`)
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if j := strings.IndexByte("abtnvfr", s[i]); j >= 0 {
			b.WriteByte("\a\b\t\n\v\f\r"[j])
			continue
		}
		if i+3 <= len(s) {
			if n, err := strconv.ParseUint(s[i:i+3], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
