package activities_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/finding"
)

// object is an argument that holds v.
func object(t *testing.T, v any) arg {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return arg{Data: blob(b)}
}

// A workflow names the path; it must not make a tool read the host, or the
// cache's own state.
func TestToolsRefuseWhatIsNoWorkspace(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.put("project", map[string]string{"a.py": "eval(input())\n"})
	a, _, err := h.call(activities.GetTargetName, text("project"), text("r1"))
	path := h.path(a, err)
	outside := t.TempDir()
	inside := filepath.Join(outside, "inside")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, h.in("project", "link")); err != nil {
		t.Fatal(err)
	}
	refused := func(tool string, argument arg) {
		t.Helper()
		_, _, err := h.call(tool, argument)
		if app := failed(t, err); app.Type() != string(cordon.InvalidArgument) || !app.NonRetryable() {
			t.Errorf("got %s %q, want InvalidArgument", app.Type(), app.Message())
		}
	}
	for name, wrong := range map[string]string{
		"a directory elsewhere": outside,
		"the cache":             h.cache.Dir(),
		"the cache's own state": h.in(".cordon", "records"),
		"a link out":            h.in("project", "link"),
		"a path through a link": h.in("project", "link", filepath.Base(inside)),
		"a path that leads up":  path + "/../../../..",
		"a relative path":       "project/r1/workspace",
		"nothing":               "",
	} {
		t.Run(name, func(t *testing.T) { refused(activities.ScanCodeName, object(t, activities.ToolRequest{Path: wrong})) })
	}
	for _, tool := range []string{activities.ScanCodeName, activities.ScanSecretsName, activities.InventoryFilesName, activities.ScanGoName, activities.ReportFindingsName} {
		t.Run(tool, func(t *testing.T) {
			refused(tool, object(t, activities.ToolRequest{Path: outside}))
			refused(tool, arg{Data: `{"path":7}`})
			refused(tool, arg{Encoding: "binary/plain", Data: "x"})
		})
	}
	t.Run("a workspace that is gone may be on another host", func(t *testing.T) {
		gone := object(t, activities.ToolRequest{Path: h.in("project", "r9", "workspace")})
		err := h.wait(h.start("CallWorkflow", nil, call{Activity: activities.ScanCodeName, Args: []arg{gone}, Attempts: 1}), nil)
		if app := failed(t, err); app.Type() != string(cordon.StorageUnavailable) || app.NonRetryable() {
			t.Errorf("got %s %q, want StorageUnavailable", app.Type(), app.Message())
		}
	})
}

// A target that is a single file is analysed alone, not with what lies beside it.
func TestASingleFileIsAnalysedAlone(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	const key = "AKIA" + "Z7QHFD3MXK5WTBVN"
	h.put("file", map[string]string{"": "aws_access_key_id = \"" + key + "\"\n"})
	a, _, err := h.call(activities.GetTargetName, text("file"), text("r1"), text("shared"))
	path := h.path(a, err)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "other"), []byte("aws_access_key_id = \"AKIA"+"Q3EGVYN6WKTS5ZLR\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, err = h.call(activities.ScanSecretsName, object(t, map[string]any{"path": path}))
	if err != nil {
		t.Fatal(err)
	}
	var part activities.Part
	if err := json.Unmarshal([]byte(a.Result), &part); err != nil {
		t.Fatal(err)
	}
	if part.Findings != 1 || part.Result.Findings[0].FilePath != "target" {
		t.Errorf("got %s, want the one finding in the file", a.Result)
	}
	if strings.Contains(a.Result, key) {
		t.Error("the secret is in the result")
	}
}

// CONTRACT §3: a large part lies in the object store, and only its own run may
// read it through the reference.
func TestALargePartTravelsByReference(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	files := map[string]string{}
	for i := range 400 {
		files[fmt.Sprintf("some/rather/long/folder/name/file%03d.py", i)] = "import os\nos.system(input())\n"
	}
	h.put("project", files)
	a, _, err := h.call(activities.GetTargetName, text("project"), text("r1"))
	path := h.path(a, err)
	a, run, err := h.call(activities.ScanCodeName, object(t, activities.ToolRequest{Path: path}))
	if err != nil {
		t.Fatal(err)
	}
	var part activities.Part
	if err := json.Unmarshal([]byte(a.Result), &part); err != nil {
		t.Fatal(err)
	}
	if part.Result != nil || part.Findings < 400 || !strings.Contains(part.Ref, run) {
		t.Fatalf("got %.300s, want a reference of this run to 400 findings or more", a.Result)
	}
	_, _, err = h.call(activities.ReportFindingsName, object(t, activities.ReportRequest{Path: path, Parts: []activities.Part{part}}))
	if app := failed(t, err); app.Type() != string(cordon.InvalidArgument) {
		t.Errorf("another run read the part: %s %q", app.Type(), app.Message())
	}
}

// What the project's ignore file says is obeyed, and what is wrong with it said.
func TestTheReportObeysTheProjectsIgnoreFile(t *testing.T) {
	t.Parallel()
	h := open(t, options{version: "1.2.3"})
	h.put("project", map[string]string{
		"a.py":             "import os\nos.system(input())\n",
		"tests/b.py":       "import os\nos.system(input())\n",
		finding.IgnoreFile: "py-* tests/** # tests may\npy-* old/** until 2020-01-01\nthree words here\n",
	})
	a, _, err := h.call(activities.GetTargetName, text("project"), text("r1"))
	path := h.path(a, err)
	a, _, err = h.call(activities.ScanCodeName, object(t, activities.ToolRequest{Path: path}))
	if err != nil {
		t.Fatal(err)
	}
	var part activities.Part
	if err := json.Unmarshal([]byte(a.Result), &part); err != nil {
		t.Fatal(err)
	}
	a, run, err := h.call(activities.ReportFindingsName, object(t, activities.ReportRequest{
		TargetID: "project", Path: path, Started: time.Now(), Parts: []activities.Part{part},
		Steps: []activities.Step{{Name: "scan_go", Status: activities.StepFailed, Error: "gosec broke"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	_ = run
	var result activities.Result
	if err := json.Unmarshal([]byte(a.Result), &result); err != nil {
		t.Fatal(err)
	}
	if len(result.Findings) == 0 || result.Summary.Suppressed == 0 {
		t.Errorf("%d findings, %d suppressed; want some of each", len(result.Findings), result.Summary.Suppressed)
	}
	for _, f := range result.Findings {
		if f.FilePath != "a.py" {
			t.Errorf("%s in %s is reported", f.RuleID, f.FilePath)
		}
	}
	if result.Status != activities.Partial {
		t.Errorf("status %s, want partial: a tool failed", result.Status)
	}
	notes := strings.Join(result.Summary.Notes, "\n")
	for _, say := range []string{"gosec broke", "line 3", "past their date"} {
		if !strings.Contains(notes, say) {
			t.Errorf("the notes do not say %q:\n%s", say, notes)
		}
	}
	if !strings.Contains(string(result.SARIF), `"version":"1.2.3"`) || !strings.Contains(string(result.SARIF), "tests may") {
		t.Error("the SARIF log lacks the version or the suppression's reason")
	}
}
