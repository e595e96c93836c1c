package sarif

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
)

// MaxBytes is the largest log that is read. 64 MiB hold a hundred thousand results.
const MaxBytes = 64 << 20

// maxResults bounds the results that are looked at, of all logs together: many
// times what a result keeps (finding.MaxFindings).
const maxResults = 20_000

// maxNotes bounds what a tool may say about itself, in notifications.
const maxNotes = 5

// Options say what the logs are about.
type Options struct {
	Dir      string           // the workspace, absolute, as the tool saw it
	Tree     *analyze.Tree    // the same, for code snippets
	Scrubber analyze.Scrubber // needed
	Name     string           // of the tool, where a log does not say
}

// Read turns the results of one tool's logs into findings. It fails, with an
// InvalidArgument *cordon.Error, only where a log is no SARIF of version 2 at all.
func Read(logs [][]byte, opt Options) (*analyze.Result, error) {
	if opt.Scrubber == nil {
		return nil, errors.New("sarif: Options.Scrubber is nil")
	}
	r := &reader{Options: opt, res: &analyze.Result{}, scrubbed: map[string]string{}}
	r.roots = []string{filepath.Clean(opt.Dir)}
	if real, err := filepath.EvalSymlinks(opt.Dir); err == nil && real != r.roots[0] {
		r.roots = append(r.roots, real) // some tools report real paths
	}
	for _, text := range logs {
		if err := r.log(text); err != nil {
			return nil, err
		}
	}
	if r.unread > 0 {
		r.note("%d results of its report cannot be read and are left out.", r.unread)
	}
	if r.tooMany > 0 {
		r.note("%d results of its report are left out: at most %d are looked at.", r.tooMany, maxResults)
	}
	if r.outside > 0 {
		r.note("%d results are about files outside of the workspace; they are listed without a place.", r.outside)
	}
	r.res.Close(r.all)
	return r.res, nil
}

type reader struct {
	Options
	roots []string
	res   *analyze.Result
	all   []finding.Finding

	unread, tooMany, outside int
	scrubbed                 map[string]string // texts that many results share
	source                   source
}

func (r *reader) note(format string, args ...any) {
	r.res.Notes = append(r.res.Notes, r.Name+": "+fmt.Sprintf(format, args...))
}

// lenient decodes as much as fits: a value of the wrong type is as good as missing.
func lenient(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return nil
	}
	return err
}

func (r *reader) log(text []byte) error {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var l log
	err := lenient(text, &l)
	switch {
	case err == nil && !strings.HasPrefix(l.Version, "2."):
		err = fmt.Errorf("its version is %.20q", l.Version)
	case err == nil && l.Runs == nil:
		err = errors.New("it has no runs")
	}
	if err != nil {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: "read SARIF", Name: r.Name,
			Err: fmt.Errorf("the report is no SARIF 2.1.0: %w", err), Fix: "let the tool write SARIF 2.1.0 to the file that results.sarif names"}
	}
	for _, text := range l.Runs {
		var one run
		if lenient(text, &one) != nil {
			r.unread++
			continue
		}
		r.run(&one)
	}
	return nil
}

func (r *reader) run(one *run) {
	driver := one.Tool.Driver
	tool := finding.Tool{Name: orElse(clean(driver.Name, 60), r.Name), Version: clean(orElse(driver.SemanticVersion, driver.Version), 40), Available: true}
	r.res.Tools = append(r.res.Tools, tool)
	r.res.FilesScanned += min(len(one.Artifacts), 1_000_000)
	for _, text := range one.Results {
		if len(r.all) >= maxResults {
			r.tooMany++
			continue
		}
		var res result
		if lenient(text, &res) != nil || bytes.Equal(bytes.TrimSpace(text), []byte("null")) {
			r.unread++
			continue
		}
		r.result(one, tool.Name, &res)
	}
	said := 0
	for _, inv := range one.Invocations {
		if inv.Successful != nil && !*inv.Successful {
			r.note("it says that its run was not successful; what it would have found may be missing.")
		}
		for _, n := range inv.Notifications {
			if said++; n.Level == "error" && said <= maxNotes {
				r.note("%s", r.scrub(clean(n.Message.fill(rule{}), 300)))
			}
		}
	}
}

// result adds one result's finding, unless it says that there is nothing to find.
func (r *reader) result(one *run, tool string, res *result) {
	switch res.Kind {
	case "pass", "notApplicable":
		return
	}
	if res.BaselineState == "absent" {
		return
	}
	for _, s := range res.Suppressions {
		if s.Status == "" || s.Status == "accepted" {
			r.res.Suppressed++
			return
		}
	}
	rule := one.rule(res)
	f := finding.Finding{
		RuleID:         ruleID(tool, rule.ID),
		Severity:       severity(res, rule),
		Category:       category(res, rule, tool),
		Description:    r.scrub(clean(res.Message.fill(rule), 2000)),
		Recommendation: clean(orElse(rule.Help.Text, rule.HelpURI), 1000),
		Metadata:       map[string]any{"tool": tool},
	}
	f.Title = clean(orElse(rule.ShortDescription.Text, firstLine(f.Description), rule.Name, f.RuleID), 200)
	f.Description = orElse(f.Description, clean(rule.FullDescription.Text, 2000), f.Title)
	if cwe := weakness(res, rule); cwe != "" {
		f.Metadata["cwe"] = cwe
	}
	if rule.HelpURI != "" && rule.Help.Text != "" {
		f.Metadata["help_uri"] = clean(rule.HelpURI, 500)
	}
	f.Key = f.Description
	if len(res.Locations) > 0 {
		r.place(one, res.Locations[0], &f)
	}
	r.all = append(r.all, f)
}

// place fills in where the finding is, and the code that stands there.
func (r *reader) place(one *run, l location, f *finding.Finding) {
	where, region := l.Physical.Artifact, l.Physical.Region
	path := r.path(one, where)
	if path == "" {
		if where.URI != "" {
			r.outside++
		}
		return
	}
	f.FilePath = path
	if region.StartLine < 1 || region.StartLine > 1<<30 {
		return
	}
	f.LineStart, f.LineEnd = region.StartLine, min(max(region.EndLine, region.StartLine), 1<<30)
	code := r.code(path, f.LineStart, f.LineEnd)
	if code == "" {
		code = r.scrub(cut(region.Snippet.Text))
	}
	if code != "" {
		f.CodeSnippet, f.Key = code, key(code)
	}
}

// scrub takes the secrets out of a text. Results of one rule often share theirs.
func (r *reader) scrub(s string) string {
	if out, ok := r.scrubbed[s]; ok || s == "" {
		return out
	}
	out := r.Scrubber.Scrub(s)
	if len(r.scrubbed) < maxResults {
		r.scrubbed[s] = out
	}
	return out
}
