package sarif_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/analyze/sarif"
	"github.com/cordonlabs/cordon/analyze/secrets"
	"github.com/cordonlabs/cordon/finding"
)

// workspace makes a project and returns its folder.
func workspace(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t testing.TB, dir string, logs ...string) (*analyze.Result, error) {
	t.Helper()
	tree, err := analyze.OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	scrub, err := secrets.NewScrubber()
	if err != nil {
		t.Fatal(err)
	}
	var texts [][]byte
	for _, l := range logs {
		texts = append(texts, []byte(l))
	}
	return sarif.Read(texts, sarif.Options{Dir: dir, Tree: tree, Scrubber: scrub, Name: "tool"})
}

// one returns the only finding of a log with the one result, in a tool with the one rule.
func one(t *testing.T, dir, rule, result string) finding.Finding {
	t.Helper()
	res, err := read(t, dir, `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"My Tool","version":"7","rules":[`+rule+`]}},"results":[`+result+`]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Findings) != 1 {
		t.Fatalf("%d findings, want 1: %+v", len(res.Findings), res)
	}
	return res.Findings[0]
}

func at(uri string, line int) string {
	return fmt.Sprintf(`"locations":[{"physicalLocation":{"artifactLocation":{"uri":%q},"region":{"startLine":%d}}}]`, uri, line)
}

func TestAResultBecomesAFinding(t *testing.T) {
	dir := workspace(t, map[string]string{"src/a.py": "import os\n\nos.system(\"ls \" + x)  \n"})
	f := one(t, dir, `{"id":"B605","name":"start_process","helpUri":"https://example.org/b605","shortDescription":{"text":"A shell is started."},
		"properties":{"tags":["security","external/cwe/cwe-078","injection"]}}`,
		`{"ruleId":"B605","ruleIndex":0,"level":"error","message":{"text":"Starting {0} with a {1}.","arguments":["a process","shell"]},`+at("src/a.py", 3)+`}`)
	if f.RuleID != "my-tool-b605" || f.Severity != finding.High || f.Category != "injection" || f.Metadata["cwe"] != "CWE-78" || f.Metadata["tool"] != "My Tool" {
		t.Errorf("got %+v", f)
	}
	if f.Title != "A shell is started." || f.Description != "Starting a process with a shell." || f.Recommendation != "https://example.org/b605" {
		t.Errorf("texts %q, %q, %q", f.Title, f.Description, f.Recommendation)
	}
	if f.FilePath != "src/a.py" || f.LineStart != 3 || f.LineEnd != 3 || f.CodeSnippet != `os.system("ls " + x)` || f.Fingerprint == "" {
		t.Errorf("place %s:%d-%d %q", f.FilePath, f.LineStart, f.LineEnd, f.CodeSnippet)
	}
}

func TestSeverityIsTheNumberThenTheWordThenTheLevel(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		rule, result string
		want         finding.Severity
	}{
		{`{"id":"r"}`, `{"ruleId":"r"}`, finding.Medium},
		{`{"id":"r","defaultConfiguration":{"level":"error"}}`, `{"ruleId":"r"}`, finding.High},
		{`{"id":"r","defaultConfiguration":{"level":"error"}}`, `{"ruleId":"r","level":"note"}`, finding.Low},
		{`{"id":"r"}`, `{"ruleId":"r","level":"none"}`, finding.Info},
		{`{"id":"r","properties":{"security-severity":"9.1"}}`, `{"ruleId":"r","level":"note"}`, finding.Critical},
		{`{"id":"r","properties":{"security-severity":4.0}}`, `{"ruleId":"r","level":"error"}`, finding.Medium},
		{`{"id":"r","properties":{"security-severity":"many"}}`, `{"ruleId":"r","level":"error"}`, finding.High},
		{`{"id":"r","properties":{"security-severity":"0.0"}}`, `{"ruleId":"r","level":"error"}`, finding.Info},
		{`{"id":"r"}`, `{"ruleId":"r","level":"error","properties":{"issue_severity":"LOW"}}`, finding.Low},
		{`{"id":"r"}`, `{"ruleId":"r","kind":"informational"}`, finding.Info},
	} {
		if got := one(t, dir, c.rule, c.result).Severity; got != c.want {
			t.Errorf("%s %s: %s, want %s", c.rule, c.result, got, c.want)
		}
	}
}

// A path counts only where it lies in the workspace, however the tool spells it.
func TestPathsAreRelativeToTheWorkspace(t *testing.T) {
	dir := workspace(t, map[string]string{"src/a b.py": "x\n"})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]string{
		"src/a.py": "src/a.py", "./src/a.py": "src/a.py", "src/../src/a.py": "src/a.py", "src/a%20b.py": "src/a b.py", "src/100%.py": "src/100%.py",
		"file://" + dir + "/src/a.py": "src/a.py", "file://localhost" + dir + "/a.py": "a.py", dir + "/src/a.py": "src/a.py",
		"file:///etc/passwd": "", "../a.py": "", "/etc/passwd": "", dir + "/../x": "", dir: "", ".": "", "": "", "https://example.org/a.py": "",
		"file://host/a.py": "", "//host/a.py": "", "a\\u0000b": "", "%00": "", dir + "x/a.py": "", "src/%ff.py": "src/\uFFFD.py",
	} {
		if got := one(t, link, `{"id":"r"}`, `{"ruleId":"r",`+strings.ReplaceAll(at(uri, 1), `\\u0000`, `\u0000`)+`}`).FilePath; got != want {
			t.Errorf("%q is %q, want %q", uri, got, want)
		}
	}
	log := `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},
		"originalUriBaseIds":{"SRC":{"uri":"src/","uriBaseId":"ROOT"},"ROOT":{"uri":"file://` + dir + `/"},"LOOP":{"uri":"l/","uriBaseId":"LOOP"}},
		"artifacts":[{"location":{"uri":"a.c","uriBaseId":"SRC"}}],
		"results":[%s]}]}`
	for artifact, want := range map[string]string{
		`{"uri":"b.c","uriBaseId":"SRC"}`: "src/b.c", `{"index":0}`: "src/a.c", `{"index":7}`: "", `{"index":-1}`: "",
		`{"uri":"b.c","uriBaseId":"OTHER"}`: "b.c", `{"uri":"b.c","uriBaseId":"LOOP"}`: "l/l/l/l/l/l/l/l/b.c",
	} {
		res, err := read(t, dir, fmt.Sprintf(log, `{"ruleId":"r","locations":[{"physicalLocation":{"artifactLocation":`+artifact+`}}]}`))
		if err != nil || len(res.Findings) != 1 || res.Findings[0].FilePath != want {
			t.Errorf("%s: %+v, %v; want %q", artifact, res.Findings, err, want)
		}
	}
}

// What says that there is nothing to find is no finding.
func TestResultsThatPassedOrAreSuppressedAreNotFindings(t *testing.T) {
	res, err := read(t, t.TempDir(), `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[
		{"ruleId":"a","kind":"pass"},{"ruleId":"b","kind":"notApplicable"},{"ruleId":"c","baselineState":"absent"},
		{"ruleId":"d","suppressions":[{"kind":"inSource"}]},{"ruleId":"e","suppressions":[{"kind":"external","status":"accepted"}]},
		{"ruleId":"f","suppressions":[{"kind":"external","status":"rejected"}]},{"ruleId":"g","suppressions":[]}]}]}`)
	if err != nil || len(res.Findings) != 2 || res.Suppressed != 2 {
		t.Errorf("%d findings, %d suppressed, %v", len(res.Findings), res.Suppressed, err)
	}
}

// One result that is wrong costs nothing but itself.
func TestWhatIsWrongInALogCostsOnlyThat(t *testing.T) {
	res, err := read(t, t.TempDir(), "\xef\xbb\xbf"+`{"version":"2.1.0","runs":[7,{"tool":{"driver":{"name":7,"rules":[{"id":"r","properties":[]}]}},
		"invocations":[{"executionSuccessful":false,"toolExecutionNotifications":[{"level":"error","message":{"text":"cannot parse x.py"}},{"level":"note","message":{"text":"hello"}}]}],
		"results":[null,"x",{"ruleId":{},"message":[],"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a"},"region":{"startLine":"1"}}}]},
		{"ruleIndex":0,"message":{"text":"second"}},{"ruleIndex":99,"level":7}]}]}`,
		`{"version":"2.1.0","runs":[]}`)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Findings) < 3 {
		t.Errorf("%d findings, want those that can be read: %+v", len(res.Findings), res.Findings)
	}
	notes := strings.Join(res.Notes, "\n")
	for _, want := range []string{"cannot be read", "not successful", "cannot parse x.py"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q:\n%s", want, notes)
		}
	}
	if strings.Contains(notes, "hello") {
		t.Error("a mere note of the tool is passed on")
	}
}

func TestALogThatIsNoneIsRefused(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", `{"version":"2.1.0"}`, `{"version":"1.0.0","runs":[]}`, `{"version":"2.1.0","runs":[`, "<xml/>"} {
		if _, err := read(t, t.TempDir(), text); cordon.KindOf(err) != cordon.InvalidArgument {
			t.Errorf("%q: %v, want InvalidArgument", text, err)
		}
	}
}

// A tool that quotes the code it complains about does not make its secrets known.
func TestSecretsInAReportAreNotPassedOn(t *testing.T) {
	const secret = "AKIA" + "Z7QHFD3MXK5WTBVN"
	dir := workspace(t, map[string]string{"a.py": "aws_access_key_id = \"" + secret + "\"\n"})
	for _, uri := range []string{"a.py", "gone.py"} {
		f := one(t, dir, `{"id":"r"}`, `{"ruleId":"r","message":{"text":"Possible key: '`+secret+`'"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"`+uri+
			`"},"region":{"startLine":1,"snippet":{"text":"key = \"`+secret+`\""}}}}]}`)
		if text := fmt.Sprintf("%+v", f); strings.Contains(text, secret) {
			t.Errorf("%s: the secret is in %s", uri, text)
		}
		if f.CodeSnippet == "" {
			t.Errorf("%s: there is no snippet at all", uri)
		}
	}
}

// A file that is a FIFO, a link out or a directory is not opened for a snippet.
func TestSnippetsComeFromRegularFilesOfTheWorkspace(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Skipf("no FIFO can be made here: %v", err)
	}
	for _, uri := range []string{"link", "fifo", "."} {
		if f := one(t, dir, `{"id":"r"}`, `{"ruleId":"r",`+at(uri, 1)+`}`); f.CodeSnippet != "" {
			t.Errorf("%s: snippet %q", uri, f.CodeSnippet)
		}
	}
}

func TestManyResultsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"ruleId":"r0"}`)
	for i := range 21_000 {
		fmt.Fprintf(&b, `,{"ruleId":"r%d"}`, i%100)
	}
	b.WriteString(`]}]}`)
	res, err := read(t, t.TempDir(), b.String())
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Findings) > finding.MaxFindings || res.Truncated == 0 || !strings.Contains(strings.Join(res.Notes, " "), "1001 results of its report are left out") {
		t.Errorf("%d findings, %d truncated, %v", len(res.Findings), res.Truncated, res.Notes)
	}
}

// Whatever a tool writes: it is read or refused, and what comes out can be stored.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x","rules":[{"id":"r","messageStrings":{"m":{"text":"a {0}"}},"relationships":[{"target":{"id":"79","toolComponent":{"name":"CWE"}}}]}]},"extensions":[{"rules":[{"id":"e"}]}]},"results":[{"rule":{"index":0,"toolComponent":{"index":0}},"message":{"id":"m","arguments":["x"]},"taxa":[{"id":"CWE-1"}]}]}]}`,
		`{"version":"2.1.0","runs":[{"results":[{"ruleId":"a/b","locations":[{"physicalLocation":{"artifactLocation":{"uri":"file:///w/%61"},"region":{"startLine":1,"endLine":99999999999999999999}}}]}]}]}`,
		`{"version":"2","runs":[null,{}]}`,
	} {
		f.Add([]byte(seed))
	}
	dir := workspace(f, map[string]string{"a": "line\n"})
	tree, err := analyze.OpenTree(dir)
	if err != nil {
		f.Fatal(err)
	}
	defer tree.Close()
	f.Fuzz(func(t *testing.T, data []byte) {
		res, err := sarif.Read([][]byte{data}, sarif.Options{Dir: dir, Tree: tree, Scrubber: plain{}, Name: "tool"})
		if err != nil {
			if cordon.KindOf(err) != cordon.InvalidArgument {
				t.Errorf("an error without a kind: %v", err)
			}
			return
		}
		for _, f := range res.Findings {
			if f.RuleID == "" || f.Title == "" || f.Fingerprint == "" || strings.ContainsAny(f.RuleID, " \t\n") || !utf8.ValidString(f.FilePath+f.Title+f.Description+f.CodeSnippet) {
				t.Errorf("a finding that cannot be shown: %+v", f)
			}
			if f.FilePath != "" && !filepath.IsLocal(f.FilePath) || f.LineEnd < f.LineStart {
				t.Errorf("a place that is none: %s:%d-%d", f.FilePath, f.LineStart, f.LineEnd)
			}
		}
	})
}

// plain scrubs nothing: the rules of secrets are fuzzed elsewhere.
type plain struct{}

func (plain) Scrub(s string) string { return s }
