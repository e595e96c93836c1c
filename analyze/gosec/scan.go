package gosec

import (
	"context"
	"errors"
	"fmt"
	"go/scanner"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
)

// Timeout is how long all of a workspace's modules may take, where Options do not say. A module of
// 100,000 lines takes about a minute.
const Timeout = 10 * time.Minute

// maxModules bounds the modules that are analysed in one workspace.
const maxModules = 50

// maxSourceBytes is the largest file that a snippet is cut out of.
const maxSourceBytes = 4 << 20

// Options say what to scan.
type Options struct {
	Dir      string           // the workspace
	Scrubber analyze.Scrubber // goes over every file with findings before a snippet is cut out; needed
	Progress analyze.Progress // counts modules, not files; may be nil
	Timeout  time.Duration    // 0 means Timeout
}

// Scan runs gosec on every Go module of the workspace. Where gosec is not installed, where it fails on a module, or where the
// time is over, the result says so; that is no error. It fails only if the directory cannot be read or ctx
// ends.
func Scan(ctx context.Context, opt Options) (*analyze.Result, error) {
	if opt.Scrubber == nil {
		return nil, errors.New("gosec: Options.Scrubber is nil")
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
	res := &analyze.Result{Findings: []finding.Finding{}}
	dirs, modules, files := roots(list.Files)
	if files == 0 {
		return res, nil // no Go here, nothing to say
	}
	prog, err := find()
	if err != nil {
		res.Tools = []finding.Tool{{Name: "gosec", Note: err.Error()}}
		return res, nil
	}
	root, err := filepath.Abs(opt.Dir)
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real // gosec reports real paths
	}
	home, err := os.MkdirTemp("", "cordon-gosec-")
	if err != nil {
		return nil, &cordon.Error{Kind: cordon.NoSpace, Op: "make a temporary directory for gosec", Err: err, Fix: "make room in the directory that TMPDIR names"}
	}
	defer removeAll(home)
	if err := os.Mkdir(filepath.Join(home, "tmp"), 0o700); err != nil {
		return nil, &cordon.Error{Kind: cordon.NoSpace, Op: "make a temporary directory for gosec", Err: err}
	}
	timeout := opt.Timeout
	if timeout == 0 {
		timeout = Timeout
	}
	s := &scan{tree: tree, root: root, scrub: opt.Scrubber, res: res, tool: finding.Tool{Name: "gosec", Available: true}, sources: make(map[string]*source)}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for i, dir := range dirs {
		err := s.module(limited, prog, home, dir, modules)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case limited.Err() != nil:
			s.note("gosec took longer than %v: %d of %d modules were not analysed to their end.", timeout, len(dirs)-i, len(dirs))
		case err != nil:
			// The error may quote what gosec printed, and that the code under analysis.
			s.note("gosec did not analyse %q: %s.", dir, clean(s.scrub.Scrub(err.Error()), 300))
		}
		if limited.Err() != nil {
			break
		}
		if opt.Progress != nil {
			opt.Progress(i+1, len(dirs))
		}
	}
	s.close()
	return res, nil
}

// roots returns the directories to run in: those with a go.mod, the outermost first; or, if there is none, the root with
// modules off. It counts the Go files that are not somebody else's.
func roots(files []analyze.File) (dirs []string, modules bool, goFiles int) {
	for _, f := range files {
		if analyze.IsVendored(f.Path) || strings.Contains("/"+f.Path, "/testdata/") {
			continue
		}
		if path.Base(f.Path) == "go.mod" && len(dirs) < maxModules {
			dirs = append(dirs, path.Dir(f.Path))
		}
		if path.Ext(f.Path) == ".go" {
			goFiles++
		}
	}
	if len(dirs) == 0 {
		return []string{"."}, false, goFiles
	}
	return dirs, true, goFiles
}

// removeAll removes the temporary home; the module cache in it would be read-only if anything got there.
func removeAll(home string) {
	if os.RemoveAll(home) == nil {
		return
	}
	_ = filepath.WalkDir(home, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(p, 0o700)
		}
		return err
	}) // what cannot be walked cannot be removed either
	_ = os.RemoveAll(home) // a leftover in the temporary directory harms nobody
}

type scan struct {
	tree    *analyze.Tree
	root    string
	scrub   analyze.Scrubber
	res     *analyze.Result
	tool    finding.Tool
	all     []finding.Finding
	sources map[string]*source
	broken  int // files with load errors
}

// source is a file with findings.
type source struct {
	plain, scrubbed []string
}

func (s *scan) note(format string, args ...any) {
	s.res.Notes = append(s.res.Notes, fmt.Sprintf(format, args...))
}

func (s *scan) module(ctx context.Context, prog program, home, dir string, modules bool) error {
	out, err := prog.run(ctx, filepath.Join(s.root, filepath.FromSlash(dir)), home, modules)
	if err != nil {
		return err
	}
	r, err := parseReport(out)
	if err != nil {
		return err
	}
	if r.Version != "" {
		s.tool.Version = clean(r.Version, 40)
	}
	s.res.FilesScanned += max(0, min(r.Stats.Files, 1_000_000))
	s.res.Suppressed += max(0, min(r.Stats.NoSec, 1_000_000))
	s.broken += len(r.Errors)
	for _, is := range r.Issues {
		if f, ok := s.finding(is); ok {
			s.all = append(s.all, f)
		}
	}
	return nil
}

func (s *scan) close() {
	if s.broken > 0 {
		s.note("gosec could not fully load %d Go files or packages, for the most part because dependencies are not there (nothing is downloaded); vendor them to have data flow followed in these.", s.broken)
	}
	if s.res.Suppressed > 0 {
		s.note("%d places in Go code are marked #nosec and left out.", s.res.Suppressed)
	}
	s.res.Tools = []finding.Tool{s.tool}
	s.res.Close(once(s.all))
}

// twice are the categories for which gosec has two rules, by the look of the code and by data flow: both report
// one place.
var twice = map[string]bool{"sql-injection": true, "command-injection": true, "xss": true, "ssrf": true, "path-traversal": true}

// once keeps the worst finding of each line and weakness where gosec has two rules for it.
func once(all []finding.Finding) (out []finding.Finding) {
	type place struct {
		path, category string
		line           int
	}
	at := make(map[place]int)
	for _, f := range all {
		p := place{f.FilePath, f.Category, f.LineStart}
		i, seen := at[p]
		switch {
		case !seen || !twice[f.Category]:
			at[p] = len(out)
			out = append(out, f)
		case !out[i].Severity.AtLeast(f.Severity):
			out[i] = f
		}
	}
	return out
}

var ruleID = regexp.MustCompile(`^G\d{3}$`)

// finding translates an issue; false for what is not one of this workspace's.
func (s *scan) finding(is issue) (finding.Finding, bool) {
	p, ok := is.path(s.root)
	first, last := is.lines()
	if !ok || first == 0 || !ruleID.MatchString(is.Rule) {
		return finding.Finding{}, false
	}
	src := s.source(p)
	details := clean(s.scrub.Scrub(is.Details), 300)
	f := finding.Finding{
		RuleID: "gosec-" + strings.ToLower(is.Rule), Title: details, Description: details + ".",
		Severity: is.severity(), Category: is.category(),
		FilePath: p, LineStart: first, LineEnd: last,
		CodeSnippet: cut(src.scrubbed, first, last), Recommendation: is.advice(),
		Metadata: map[string]any{"tool": "gosec", "confidence": strings.ToLower(clean(is.Confidence, 10))},
		Key:      key(cut(src.plain, first, last)),
	}
	if is.CWE != nil && regexp.MustCompile(`^\d{1,5}$`).MatchString(is.CWE.ID) {
		f.Metadata["cwe"] = "CWE-" + is.CWE.ID
	}
	if is.Rule == "G101" {
		f.CodeSnippet = literals.ReplaceAllString(cut(src.plain, first, last), `"`+finding.Mask+`"`)
	}
	return f, true
}

// literals are Go's strings, for the rule about passwords in them.
var literals = regexp.MustCompile("\"(?:[^\"\\\\\n]|\\\\.)*\"?|`[^`]*`?|'(?:[^'\\\\\n]|\\\\.)*'")

func (s *scan) source(p string) *source {
	if src, ok := s.sources[p]; ok {
		return src
	}
	src := &source{}
	if b, err := s.tree.ReadFile(p, maxSourceBytes); err == nil { // else there is no snippet
		src.plain = strings.Split(string(b), "\n")
		src.scrubbed = strings.Split(s.scrub.Scrub(string(b)), "\n")
	}
	s.sources[p] = src
	return src
}

// cut returns lines first to last, at most five of at most 300 bytes.
func cut(lines []string, first, last int) string {
	last = min(last, len(lines), first+4)
	if first > last {
		return ""
	}
	var out []string
	for _, l := range lines[first-1 : last] {
		out = append(out, clean(strings.TrimRight(l, " \t\r"), 300))
	}
	return strings.Join(out, "\n")
}

func clean(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// key is the code with its literals left out, so that neither formatting nor a secret is in the
// fingerprint.
func key(code string) string {
	var (
		sc  scanner.Scanner
		out []string
	)
	fset := token.NewFileSet()
	sc.Init(fset.AddFile("", fset.Base(), len(code)), []byte(code), nil, 0)
	for {
		_, tok, lit := sc.Scan()
		switch {
		case tok == token.EOF:
			return strings.Join(out, " ")
		case tok == token.SEMICOLON && lit == "\n":
		case tok == token.STRING || tok == token.CHAR:
			out = append(out, `""`)
		case lit != "":
			out = append(out, lit)
		default:
			out = append(out, tok.String())
		}
	}
}
