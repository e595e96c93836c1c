package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
	"github.com/zricethezav/gitleaks/v8/report"
)

// Scan looks for secrets in a workspace's files and, unless told otherwise, in the history of every git
// repository in it. What could not be looked at is counted and noted, not an error. It fails only if
// the directory cannot be read, or ctx ends.
func Scan(ctx context.Context, opt Options) (*analyze.Result, error) {
	mode, err := ParseMode(string(opt.Mode))
	if err != nil {
		return nil, err
	}
	scrub := opt.Scrubber
	if scrub == nil {
		if scrub, err = NewScrubber(); err != nil {
			return nil, err
		}
	}
	tree, err := analyze.OpenTree(opt.Dir)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	list, err := tree.List(ctx)
	if err != nil {
		return nil, err
	}
	s := &scan{
		tree: tree, d: scrub.d, scrub: scrub,
		res:   &analyze.Result{Tools: []finding.Tool{{Name: "gitleaks", Version: version(), Available: true}}},
		found: make(map[string]*leak), kept: make(map[string]int), marks: readIgnore(tree),
	}
	for reason, n := range list.Skipped {
		s.res.Skip(reason, n)
	}
	if err := analyze.Each(ctx, list.Files, opt.Progress, s.file); err != nil {
		return nil, err
	}
	switch {
	case mode == Protect:
		s.note("Mode protect: the git history was not scanned.")
	case opt.NoGit:
		s.note("no_git: the git history was not scanned.")
	default:
		if err := s.histories(ctx, opt.Dir, list.Repos); err != nil {
			return nil, err
		}
	}
	if opt.NoRedact {
		s.note("redact=false was asked for and is not followed: Cordon redacts secrets in everything that it prints or stores.")
	}
	if f, err := tree.Open(".gitleaks.toml"); err == nil {
		f.Close()
		s.note("The project's .gitleaks.toml was not applied: a project does not choose what is looked for in it. Its .gitleaksignore and gitleaks:allow comments are.")
	}
	if s.res.Suppressed > 0 {
		s.note(fmt.Sprintf("%d secrets are marked in .gitleaksignore or by gitleaks:allow and left out.", s.res.Suppressed))
	}
	fs, err := s.findings(ctx)
	if err != nil {
		return nil, err
	}
	s.res.Close(fs)
	return s.res, nil
}

// Bounds of what is read.
const (
	maxFileBytes = 100 << 20 // larger files are data; gitleaks needs seconds for each 10 MB
	chunkBytes   = 128 << 10 // what is matched at a time: a rule is tried only on pieces with its keyword
	overlapBytes = 8 << 10   // how much of a chunk is seen again with the next: longer than any key
	maxLeaks     = 10_000    // secrets kept in memory

	// maxLeaksInFile bounds the secrets of one rule that are kept of one file: four times what a
	// result may hold of them, for a list of keys is one leak.
	maxLeaksInFile = 4 * finding.MaxPerRuleAndFile
)

// scan is one run of Scan.
type scan struct {
	tree  *analyze.Tree
	d     *detector
	scrub *Scrubber
	marks ignoreMarks

	mu    sync.Mutex
	res   *analyze.Result
	found map[string]*leak // by rule, path, place and secret
	kept  map[string]int   // of found, by rule and file
	lost  int              // past maxLeaks or maxLeaksInFile
}

// leak is a secret at a place. It stays in this package.
type leak struct {
	report.Finding
	commit, date string // the oldest commit that added it; "" if it stands in a file
	commits      int
}

func (s *scan) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.res.Notes = append(s.res.Notes, text)
}

func (s *scan) skip(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.res.Skip(reason, 1)
}

// file scans one file of the tree.
func (s *scan) file(ctx context.Context, f analyze.File) {
	if s.d.allows(f.Path) {
		s.skip(analyze.SkipAllowed)
		return
	}
	if f.Size > maxFileBytes {
		s.skip(analyze.SkipTooLarge)
		return
	}
	content, err := s.tree.ReadFile(f.Path, maxFileBytes)
	switch {
	case errors.Is(err, analyze.ErrTooLarge):
		s.skip(analyze.SkipTooLarge)
		return
	case err != nil:
		s.skip(analyze.SkipUnreadable)
		return
	}
	content = decodeUTF16(content)
	if analyze.IsBinary(content) {
		s.skip(analyze.SkipBinary)
		return
	}
	failed := false
	chunks(string(content), func(text string, first int) bool {
		found, err := s.d.find(ctx, f.Path, text, first)
		failed = failed || err != nil
		for _, l := range found {
			s.add(leak{Finding: l})
		}
		return ctx.Err() == nil
	})
	if failed {
		s.skip(analyze.SkipUnreadable)
		return
	}
	s.mu.Lock()
	s.res.FilesScanned++
	s.mu.Unlock()
}

// chunks calls do with pieces of text that end at line breaks where possible and overlap, and each one's first line
// number, until it returns false.
func chunks(text string, do func(piece string, first int) bool) {
	line := 1
	for {
		end := min(len(text), chunkBytes)
		if end < len(text) {
			if i := strings.LastIndexByte(text[:end], '\n'); i > end-overlapBytes {
				end = i + 1
			}
		}
		if !do(text[:end], line) || end == len(text) {
			return
		}
		next := end - overlapBytes
		if i := strings.IndexByte(text[next:end], '\n'); i >= 0 {
			next += i + 1
		}
		line += strings.Count(text[:next], "\n")
		text = text[next:]
	}
}

// decodeUTF16 makes UTF-16 with a byte order mark, as Windows writes it, UTF-8.
func decodeUTF16(b []byte) []byte {
	var hi, lo int
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		hi, lo = 1, 0
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		hi, lo = 0, 1
	default:
		return b
	}
	u := make([]uint16, 0, len(b)/2)
	for i := 2; i+1 < len(b); i += 2 {
		u = append(u, uint16(b[i+hi])<<8|uint16(b[i+lo]))
	}
	return []byte(string(utf16.Decode(u)))
}

// add keeps a leak, unless the project marked it as known or it was seen already: in the
// overlap of two chunks, in another commit, or in the file as it is now.
func (s *scan) add(l leak) {
	if l.Secret == "" {
		l.Secret = l.Match
	}
	s.scrub.Add(l.Secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(l.Line, "gitleaks:allow") || s.marks.has(l.commit, l.File, l.RuleID, l.StartLine) {
		s.res.Suppressed++
		return
	}
	if l.commit != "" {
		if _, ok := s.found[keyOf(l, 0)]; ok {
			return
		}
		if old, ok := s.found[keyOf(l, -1)]; ok {
			// git log goes from new to old: what comes later was there earlier.
			old.commit, old.date, old.StartLine, old.EndLine = l.commit, l.date, l.StartLine, l.EndLine
			old.commits++
			return
		}
	}
	place := l.RuleID + "\x00" + l.File
	_, again := s.found[keyOf(l, l.StartLine)] // in the overlap of two chunks
	switch {
	case again && l.commit == "":
		return
	case len(s.found) >= maxLeaks || s.kept[place] >= maxLeaksInFile:
		s.lost++
		return
	}
	s.kept[place]++
	if l.commit != "" {
		l.commits = 1
		s.found[keyOf(l, -1)] = &l
		return
	}
	s.found[keyOf(l, l.StartLine)] = &l
	s.found[keyOf(l, 0)] = nil // some place of the file as it is now
}

// keyOf identifies a leak: at a line of a file, anywhere in a file (0), in the history (-1).
func keyOf(l leak, line int) string {
	return fmt.Sprintf("%s\x00%s\x00%d\x00%s", l.RuleID, l.File, line, l.Secret)
}

// findings makes findings of what was found. It fails only if ctx ends.
func (s *scan) findings(ctx context.Context) ([]finding.Finding, error) {
	var fs []finding.Finding
	byFile := make(map[string][]*leak)
	for _, l := range s.found {
		if l != nil {
			byFile[l.File] = append(byFile[l.File], l)
		}
	}
	for path, leaks := range byFile {
		// Every secret of a file is taken out of every snippet of it.
		var values []string
		for _, l := range leaks {
			values = append(values, l.Secret)
		}
		slices.Sort(values)
		values = byLength(slices.Compact(values))
		shown := make(map[string]string) // a line's cleaned text: many secrets may stand on one long line
		for _, l := range leaks {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if _, ok := shown[l.Line]; !ok {
				shown[l.Line] = s.clean(l.Line, values)
			}
			fs = append(fs, s.finding(path, l, values, shown[l.Line]))
		}
	}
	s.res.Truncated += s.lost
	return fs, nil
}
