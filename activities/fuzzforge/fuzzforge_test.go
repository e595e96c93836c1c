package fuzzforge_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/activities/fuzzforge"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

// bench is the activities on a store and a cache of their own.
type bench struct {
	t     *testing.T
	root  string // of the store
	acts  *activities.Activities
	their *fuzzforge.Activities
}

func open(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, root: mountstest.Dir(t)}
	store, err := dir.Open(b.root)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := workspace.Open(workspace.Options{Dir: mountstest.Dir(t), Store: store, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	confined, err := sandbox.New(sandbox.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b.acts = activities.New(activities.Options{
		Cache: cache, Results: store, Blobs: store, Sandbox: confined, Version: "1.2.3", Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(b.acts.Stop)
	b.their = fuzzforge.New(b.acts)
	return b
}

// target stores files and returns a run's workspace of them.
func (b *bench) target(files map[string]string) string {
	b.t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			b.t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	file := filepath.Join(b.root, "targets/project/target")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, archive.Bytes(), 0o644); err != nil {
		b.t.Fatal(err)
	}
	var path string
	if err := b.call(&path, "get_target", "project", "r1", "shared"); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// quiet is the SDK's logger.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// registry registers in a test's environment.
type registry struct {
	*testsuite.TestWorkflowEnvironment
}

func (r registry) RegisterDynamicActivity(any, activity.DynamicRegisterOptions) { panic("not needed") }

// call runs a workflow that calls an activity by its name.
func (b *bench) call(into any, name string, args ...any) (err error) {
	b.t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	b.acts.RegisterStorage(registry{env})
	b.their.Register(registry{env})
	env.SetTestTimeout(2 * time.Minute)
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		})
		err = workflow.ExecuteActivity(ctx, name, args...).Get(ctx, into)
		return nil
	}, workflow.RegisterOptions{Name: "SomeWorkflow"})
	env.ExecuteWorkflow("SomeWorkflow")
	if werr := env.GetWorkflowError(); werr != nil {
		b.t.Fatal(werr)
	}
	return err
}

func (b *bench) must(into any, name string, args ...any) {
	b.t.Helper()
	if err := b.call(into, name, args...); err != nil {
		b.t.Fatalf("%s: %v", name, err)
	}
}

type object = map[string]any

// found is what of a result a test looks at.
type found struct {
	Findings []struct {
		RuleID   string         `json:"rule_id"`
		Severity string         `json:"severity"`
		Category string         `json:"category"`
		FilePath string         `json:"file_path"`
		Metadata map[string]any `json:"metadata"`
	} `json:"findings"`
	Summary map[string]any `json:"summary"`
	Status  string         `json:"status"`
}

func (f found) count(category string) (n int) {
	for _, one := range f.Findings {
		if one.Category == category {
			n++
		}
	}
	return n
}

const awsKey = "AKIA" + "Z7QHFD3MXK5WTBVN"

var project = map[string]string{
	"app.py":     "import os\nos.system(input())\nkey = \"" + awsKey + "\"\ncur.execute(\"select * from t where id = \" + request.args[\"id\"])\n",
	"web/a.js":   "const { exec } = require('child_process');\nexec('ls ' + process.argv[2]);\n",
	"id_rsa":     "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEga2V5\n-----END OPENSSH PRIVATE KEY-----\n",
	"docs/a.md":  "# nothing\n",
	"data/large": strings.Repeat("0123456789\n", 1000),
}

// What is wrong with an argument is said by its name, once, and not tried again.
func TestAWrongArgumentIsNamed(t *testing.T) {
	b := open(t)
	path := b.target(project)
	for _, tc := range []struct {
		name  string
		args  []any
		names string
	}{
		{"scan_files", []any{}, "workspace_path"},
		{"scan_files", []any{7}, "workspace_path"},
		{"scan_files", []any{path, "all"}, "config"},
		{"scan_files", []any{path, object{"patterns": "*.py"}}, "config.patterns"},
		{"scan_files", []any{path, object{"check_sensitive": 1}}, "config.check_sensitive"},
		{"scan_files", []any{path, object{"max_file_size": -1}}, "config.max_file_size"},
		{"scan_files", []any{"/etc", object{}}, "/etc"},
		{"analyze_security", []any{path, object{"file_extensions": []int{1}}}, "config.file_extensions"},
		{"analyze_security", []any{path, []string{}}, "config"},
		{"scan_with_gitleaks", []any{path, object{"scan_mode": "everything"}}, "scan_mode"},
		{"scan_with_gitleaks", []any{path, object{"no_git": "yes"}}, "config.no_git"},
		{"gitleaks_generate_sarif", []any{"x"}, "findings"},
		{"gitleaks_generate_sarif", []any{[]any{object{"severity": "awful"}}}, "findings"},
		{"generate_sarif_report", []any{object{"findings": 1}, object{}, object{}, path}, "scan_results.findings"},
		{"generate_sarif_report", []any{object{}, "x", object{}, path}, "analysis_results"},
		{"fuzz_with_atheris", []any{path, object{"max_iterations": "many"}}, "config.max_iterations"},
		{"fuzz_with_atheris", []any{path, object{"max_iterations": 0, "timeout_seconds": 0}}, "config.timeout_seconds"},
		{"fuzz_with_cargo", []any{path, object{"sanitizer": true}}, "config.sanitizer"},
	} {
		t.Run(tc.name+", "+tc.names, func(t *testing.T) {
			var app *temporal.ApplicationError
			err := b.call(nil, tc.name, tc.args...)
			if !errors.As(err, &app) || app.Type() != "InvalidArgument" || !app.NonRetryable() || !strings.Contains(app.Message(), tc.names) {
				t.Errorf("got %v, want a non-retryable InvalidArgument that names %s", err, tc.names)
			}
		})
	}
}

func TestScanFilesFollowsItsConfig(t *testing.T) {
	b := open(t)
	path := b.target(project)
	for _, tc := range []struct {
		what             string
		config           any
		files, sensitive int
	}{
		{"nothing", nil, 5, 1},
		{"an empty config", object{}, 5, 1},
		{"a pattern", object{"patterns": []string{"*.py", "*.js"}}, 2, 0},
		{"a pattern with a folder", object{"patterns": []string{"web/*"}}, 1, 0},
		{"no sensitive files", object{"check_sensitive": false, "patterns": nil}, 5, 0},
		{"small files", object{"max_file_size": 5000, "unheard": 1}, 4, 1},
	} {
		t.Run(tc.what, func(t *testing.T) {
			var got found
			b.must(&got, "scan_files", path, tc.config)
			if got.Status != "success" || got.Summary["total_files"] != float64(tc.files) || got.count("sensitive-file") != tc.sensitive || len(got.Findings) != tc.sensitive {
				t.Errorf("%v files, %+v; want %d and %d sensitive ones", got.Summary["total_files"], got.Findings, tc.files, tc.sensitive)
			}
		})
	}
	var got found
	b.must(&got, "scan_files", path, object{"calculate_hashes": true})
	if got.count("file") != 5 {
		t.Errorf("%d files have a hash, want all of 5", got.count("file"))
	}
	for _, f := range got.Findings {
		// The sum of "# nothing\n", by sha256sum.
		if f.FilePath == "docs/a.md" && (f.Severity != "info" || f.Metadata["sha256"] != "5e49ea838dc30f3eeacf6ca7815f6e3adcf77f467a970d978676790fd90377e1") {
			t.Errorf("the hash is %+v", f)
		}
	}
}

func TestAnalyzeSecurityFollowsItsConfig(t *testing.T) {
	b := open(t)
	path := b.target(project)
	for _, tc := range []struct {
		what                 string
		config               any
		secrets, sql, others bool
	}{
		{"nothing", nil, true, true, true},
		{"no secrets", object{"check_secrets": false}, false, true, true},
		{"no SQL", object{"check_sql": false}, true, false, true},
		{"no dangerous functions", object{"check_dangerous_functions": false}, true, true, false},
		{"another extension", object{"file_extensions": []string{".js"}}, false, false, true},
		{"an extension without files", object{"file_extensions": []string{"rb"}}, false, false, false},
	} {
		t.Run(tc.what, func(t *testing.T) {
			var got found
			b.must(&got, "analyze_security", path, tc.config)
			secrets, sql := got.count("secret")+got.count("hardcoded-secret"), got.count("sql-injection")
			if (secrets > 0) != tc.secrets || (sql > 0) != tc.sql || (len(got.Findings) > secrets+sql) != tc.others {
				t.Errorf("%d secrets, %d of SQL, %d in all", secrets, sql, len(got.Findings))
			}
			if got.Summary["total_findings"] != float64(len(got.Findings)) {
				t.Errorf("the summary counts %v of %d", got.Summary["total_findings"], len(got.Findings))
			}
			if text := fmt.Sprint(got); strings.Contains(text, awsKey) {
				t.Error("the secret is shown")
			}
		})
	}
}

// log is what of a SARIF log a test looks at.
type log struct {
	Version string `json:"version"`
	Runs    []struct {
		Tool struct {
			Extensions []struct{ Name, Version string }
		}
		Results []struct {
			RuleID    string `json:"ruleId"`
			Level     string `json:"level"`
			Locations []struct {
				PhysicalLocation struct {
					ArtifactLocation struct{ URI string }
				}
			}
		}
		Invocations []struct {
			Notifications []struct{ Message struct{ Text string } } `json:"toolExecutionNotifications"`
		}
	} `json:"runs"`
}

func TestTheReportHasWhatBothFoundButForInfos(t *testing.T) {
	b := open(t)
	path := b.target(project)
	var scan, analysis json.RawMessage
	b.must(&scan, "scan_files", path, object{"calculate_hashes": true})
	b.must(&analysis, "analyze_security", path, nil)
	var report log
	b.must(&report, "generate_sarif_report", scan, analysis, object{"include_code_flows": false}, path)
	files := map[string]int{}
	for _, r := range report.Runs[0].Results {
		files[r.Locations[0].PhysicalLocation.ArtifactLocation.URI]++
	}
	if report.Version != "2.1.0" || files["id_rsa"] == 0 || files["app.py"] < 3 || files["docs/a.md"] != 0 {
		t.Errorf("the report is of %v", files)
	}

	// Findings of somebody else's tool have less.
	theirs := object{"findings": []object{
		{"title": "A crash", "severity": "critical", "category": "crash", "file_path": path + "/app.py", "line_start": nil, "metadata": object{"rule_id": "their-rule"}},
		{"title": "A key", "description": "it is " + awsKey, "category": "leak"},
	}}
	var plain json.RawMessage
	b.must(&plain, "generate_sarif_report", object{}, theirs, nil, path)
	b.must(&report, "generate_sarif_report", object{}, theirs, nil, path)
	first, second := report.Runs[0].Results[0], report.Runs[0].Results[1]
	if first.RuleID != "their-rule" || first.Level != "error" || first.Locations[0].PhysicalLocation.ArtifactLocation.URI != "app.py" {
		t.Errorf("the first is %+v", first)
	}
	if second.RuleID != "leak" || second.Level != "warning" || strings.Contains(string(plain), awsKey) {
		t.Errorf("the second is %+v", second)
	}
}

func TestGitleaksFindsAndReports(t *testing.T) {
	b := open(t)
	path := b.target(project)
	var scanned struct {
		Findings json.RawMessage `json:"findings"`
		Summary  object          `json:"summary"`
	}
	b.must(&scanned, "scan_with_gitleaks", path, object{"scan_mode": "detect", "redact": false, "no_git": true})
	if scanned.Summary["total_leaks"] != 1.0 || strings.Contains(string(scanned.Findings), awsKey) {
		t.Errorf("the summary is %v, the findings %s", scanned.Summary, scanned.Findings)
	}
	var report log
	b.must(&report, "gitleaks_generate_sarif", scanned.Findings, object{"tool_name": "gitleaks", "tool_version": "8.18.0"})
	if e := report.Runs[0].Tool.Extensions; len(report.Runs[0].Results) != 1 || len(e) != 1 || e[0].Name != "gitleaks" || e[0].Version != "8.18.0" {
		t.Errorf("%d results by %v", len(report.Runs[0].Results), e)
	}
	b.must(&report, "gitleaks_generate_sarif", []any{}, nil)
	if len(report.Runs) != 1 || len(report.Runs[0].Results) != 0 {
		t.Errorf("of nothing the report is %+v", report)
	}
}

// CONTRACT §3: what crosses the history stays small, says what is missing, and all of it
// is in the store.
func TestALargeResultIsCutAndStored(t *testing.T) {
	b := open(t)
	files := map[string]string{}
	for i := range 300 {
		files[fmt.Sprintf("%s/%03d.py", strings.Repeat("long/", 30), i)] = "import os\nos.system(input())\n" + strings.Repeat("os.system(input())\n", 4)
	}
	path := b.target(files)
	var raw json.RawMessage
	b.must(&raw, "analyze_security", path, object{"check_secrets": false})
	var got found
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	missing, _ := got.Summary["findings_truncated"].(float64)
	at, _ := got.Summary["results_url"].(string)
	if total := got.Summary["total_findings"].(float64); len(raw) > 224<<10 || missing == 0 || float64(len(got.Findings))+missing != total {
		t.Errorf("%d bytes, %d findings and %v missing of %v", len(raw), len(got.Findings), missing, total)
	}
	whole, err := os.ReadFile(strings.TrimPrefix(at, "file://"))
	if err != nil {
		t.Fatal(err)
	}
	var all found
	if err := json.Unmarshal(whole, &all); err != nil || len(all.Findings) != len(got.Findings)+int(missing) {
		t.Errorf("%d findings are stored, %v", len(all.Findings), err)
	}

	var report json.RawMessage
	b.must(&report, "generate_sarif_report", object{}, json.RawMessage(whole), object{}, path)
	var cut log
	if err := json.Unmarshal(report, &cut); err != nil {
		t.Fatal(err)
	}
	if n := len(cut.Runs[0].Results); len(report) > 256<<10 || n == 0 || n >= len(all.Findings) {
		t.Errorf("the log has %d bytes, and %d of %d findings", len(report), n, len(all.Findings))
	}
	said := fmt.Sprint(cut.Runs[0].Invocations)
	if !strings.Contains(said, fmt.Sprintf("%d more findings are in file://", len(all.Findings)-len(cut.Runs[0].Results))) {
		t.Errorf("the log does not say what is missing: %s", said)
	}
}

// asPython is how many bytes a workflow in Python makes of JSON that it passes on.
func asPython(text []byte) (n int) {
	for _, r := range string(text) {
		if n++; r >= utf8.RuneSelf {
			n += len(utf16.Encode([]rune{r}))*len(`\uffff`) - 1
		}
	}
	return n
}

// The bounds are those of what crosses the history: there Go escapes <, > and &, and
// Python whatever is not ASCII.
func TestWhatIsEscapedCountsAsItCrosses(t *testing.T) {
	b := open(t)
	files := map[string]string{}
	for i := range 300 {
		line := fmt.Sprintf("os.system(input() + %q) # %s\n", strings.Repeat("<", 60), strings.Repeat("ж", 60))
		files[fmt.Sprintf("%s/%03d.py", strings.Repeat("папка/", 10), i)] = "import os\n" + strings.Repeat(line, 5)
	}
	path := b.target(files)
	var raw, whole, report json.RawMessage
	b.must(&raw, "analyze_security", path, object{"check_secrets": false})
	var got found
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if n := asPython(raw); n > 224<<10 || len(got.Findings) == 0 {
		t.Errorf("%d findings are %d bytes where Python passes them on", len(got.Findings), n)
	}
	at, _ := got.Summary["results_url"].(string)
	whole, err := os.ReadFile(strings.TrimPrefix(at, "file://"))
	if err != nil {
		t.Fatal(err)
	}
	b.must(&report, "generate_sarif_report", object{}, whole, object{}, path)
	var cut log
	if err := json.Unmarshal(report, &cut); err != nil {
		t.Fatal(err)
	}
	if n, findings := asPython(report), len(cut.Runs[0].Results); n > 256<<10 || findings == 0 {
		t.Errorf("the log has %d bytes, and %d findings", n, findings)
	}
}
