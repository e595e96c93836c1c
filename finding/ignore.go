package finding

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
)

// IgnoreFile is the name of the ignore file, in the root of a project.
const IgnoreFile = ".cordon-findings-ignore"

// Bounds of an ignore file: it comes with the project and may be hostile.
const (
	maxIgnoreBytes    = 1 << 20 // a megabyte is 20,000 fingerprints with comments
	maxIgnorePatterns = 1000    // each is tried on each finding
	maxIgnoreProblems = 20      // as many as a person corrects in one go
)

// Ignore is a project's list of findings that it does not want to see. An entry
// is a line:
//
//	# a comment
//	4f0c…e1 (32 digits)                              # one finding, by its fingerprint
//	py-assert            tests/**                    # a rule below a folder
//	js-*                 "third party/**"            # rules by pattern; quotes around spaces
//	*                    vendor/**  until 2027-06-30 # everything below a folder, for a while
//
// Patterns are as for Glob. An entry counts until the end of its "until" day (UTC).
// The comment behind an entry is kept as its justification. A zero Ignore ignores nothing.
type Ignore struct {
	byPrint  map[string]ignoreEntry
	patterns []ignoreEntry
}

type ignoreEntry struct {
	line   int
	rule   Glob
	path   *Glob
	until  time.Time // the first instant at which it no longer counts; zero: never
	reason string
}

// ParseIgnore reads an ignore file. Entries that cannot be read are left out and
// reported together as one InvalidArgument error that gives each one's line; the Ignore
// is usable all the same.
func ParseIgnore(r io.Reader) (*Ignore, error) {
	ig := &Ignore{byPrint: make(map[string]ignoreEntry)}
	var problems []error
	lr := &io.LimitedReader{R: r, N: maxIgnoreBytes + 1}
	sc := bufio.NewScanner(lr)
	n := 0
	for sc.Scan() && len(problems) < maxIgnoreProblems {
		n++
		if err := ig.add(n, sc.Text()); err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", n, err))
		}
	}
	switch err := sc.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		problems = append(problems, fmt.Errorf("line %d: longer than %d bytes", n+1, bufio.MaxScanTokenSize))
	case err != nil:
		return ig, &cordon.Error{Op: "read", Name: IgnoreFile, Err: err}
	case lr.N <= 0:
		problems = append(problems, fmt.Errorf("the file is larger than %s", cordon.FormatBytes(maxIgnoreBytes)))
	}
	if len(problems) == 0 {
		return ig, nil
	}
	return ig, &cordon.Error{
		Kind: cordon.InvalidArgument,
		Op:   "read",
		Name: IgnoreFile,
		Err:  errors.Join(problems...),
		Fix:  "write a fingerprint, or a rule and a path pattern, then optionally `until YYYY-MM-DD` and a # comment",
	}
}

func (ig *Ignore) add(line int, text string) error {
	fields, comment, err := splitIgnoreLine(text)
	if err != nil || len(fields) == 0 {
		return err
	}
	e := ignoreEntry{line: line, reason: comment}
	if n := len(fields); n >= 2 && fields[n-2] == "until" {
		day, err := time.Parse(time.DateOnly, fields[n-1])
		if err != nil {
			return fmt.Errorf("%q is not a day; write it as 2027-06-30", clip(fields[n-1], 40))
		}
		e.until = day.AddDate(0, 0, 1)
		fields = fields[:n-2]
	}
	switch len(fields) {
	case 0:
		return fmt.Errorf("`until` stands alone")
	case 1, 2:
	default:
		return fmt.Errorf("%d fields; at most a rule and a path are expected (quote a path with spaces)", len(fields))
	}
	if len(fields) == 2 {
		g, err := ParseGlob(fields[1])
		if err != nil {
			return fmt.Errorf("path %q: %w", clip(fields[1], 60), err)
		}
		e.path = &g
	}
	if IsFingerprint(fields[0]) {
		if e.path != nil {
			return fmt.Errorf("a fingerprint takes no path")
		}
		ig.byPrint[fields[0]] = e
		return nil
	}
	if e.path == nil && strings.Trim(fields[0], "*?") == "" {
		return fmt.Errorf("%q without a path would ignore everything", fields[0])
	}
	if len(ig.patterns) >= maxIgnorePatterns {
		return fmt.Errorf("more than %d patterns", maxIgnorePatterns)
	}
	if e.rule, err = ParseGlob(fields[0]); err != nil {
		return fmt.Errorf("rule %q: %w", clip(fields[0], 60), err)
	}
	ig.patterns = append(ig.patterns, e)
	return nil
}

// splitIgnoreLine cuts a line into fields and its comment. A # begins a comment where a
// field could begin; a field in double quotes follows Go's syntax.
func splitIgnoreLine(s string) (fields []string, comment string, err error) {
	for {
		s = strings.TrimLeft(s, " \t\r")
		switch {
		case s == "":
			return fields, "", nil
		case s[0] == '#':
			return fields, clip(strings.TrimSpace(strings.ToValidUTF8(s[1:], "�")), 200), nil
		case s[0] == '"':
			q, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, "", fmt.Errorf("a quoted path does not end, or has a wrong escape")
			}
			f, err := strconv.Unquote(q)
			if err != nil {
				return nil, "", fmt.Errorf("a quoted path has a wrong escape")
			}
			fields, s = append(fields, f), s[len(q):]
		default:
			n := strings.IndexAny(s, " \t\r")
			if n < 0 {
				n = len(s)
			}
			fields, s = append(fields, s[:n]), s[n:]
		}
	}
}

// Apply splits fs into what stays and what an entry in force at now puts aside; the
// latter carry their Suppression. Order is kept.
func (ig *Ignore) Apply(fs []Finding, now time.Time) (kept, suppressed []Finding) {
	for _, f := range fs {
		if e, ok := ig.find(f, now); ok {
			f.Suppression = &Suppression{Line: e.line, Justification: e.reason}
			suppressed = append(suppressed, f)
			continue
		}
		kept = append(kept, f)
	}
	return kept, suppressed
}

// Expired returns how many entries no longer count at now.
func (ig *Ignore) Expired(now time.Time) (n int) {
	for _, e := range ig.byPrint {
		if !e.inForce(now) {
			n++
		}
	}
	for _, e := range ig.patterns {
		if !e.inForce(now) {
			n++
		}
	}
	return n
}

func (e ignoreEntry) inForce(now time.Time) bool { return e.until.IsZero() || now.Before(e.until) }

func (ig *Ignore) find(f Finding, now time.Time) (ignoreEntry, bool) {
	if e, ok := ig.byPrint[f.Fingerprint]; ok && e.inForce(now) {
		return e, true
	}
	for _, e := range ig.patterns {
		if e.inForce(now) && e.rule.Match(f.RuleID) && (e.path == nil || e.path.Match(f.FilePath)) {
			return e, true
		}
	}
	return ignoreEntry{}, false
}
