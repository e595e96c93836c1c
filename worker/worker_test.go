package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/finding"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workflows"
)

const awsKey = "AKIA" + "Z7QHFD3MXK5WTBVN"

func TestSecretDetectionEndToEnd(t *testing.T) {
	opts, log := setup(t)
	w := start(t, opts)
	put(t, w, "project", map[string]string{
		"config.py": "aws_access_key_id = \"" + awsKey + "\"\n",
		"README":    "nothing here\n",
	})
	result, raw, r := run(t, "secrets", "SecretDetectionWorkflow", nil, "project", "detect", true, false)

	if result.WorkflowID != r.GetID() || result.TargetID != "project" || result.Status != activities.Completed {
		t.Errorf("workflow %s, target %s, status %s", result.WorkflowID, result.TargetID, result.Status)
	}
	if len(result.Findings) != 1 || result.Findings[0].FilePath != "config.py" || result.Findings[0].LineStart != 1 {
		t.Errorf("findings %+v, want the key in line 1 of config.py", result.Findings)
	}
	var steps []string
	for _, s := range result.Steps {
		steps = append(steps, s.Name+" "+s.Status)
	}
	want := []string{"acquire_workspace completed", "scan_secrets completed", "report_findings completed", "cleanup_cache completed"}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %v, want %v", steps, want)
	}
	for _, name := range []string{"results.json", "results.sarif"} {
		body := stored(t, opts, r.GetID(), name)
		if !json.Valid([]byte(body)) || !strings.Contains(body, "config.py") {
			t.Errorf("%s does not hold the finding", name)
		}
		if strings.Contains(body, awsKey) {
			t.Errorf("the secret is in %s", name)
		}
	}
	if strings.Contains(raw, awsKey) || strings.Contains(log.String(), awsKey) {
		t.Error("the secret is in the history or in the log")
	}
	if !strings.HasSuffix(result.ResultsURL, "/results/"+r.GetID()+"/results.json") || !strings.HasSuffix(result.SARIFURL, "/results/"+r.GetID()+"/results.sarif") {
		t.Errorf("URLs %s and %s", result.ResultsURL, result.SARIFURL)
	}
	if ws := result.Summary.Workspace; ws == nil || ws.Hit || ws.Mode != cordon.Shared {
		t.Errorf("the summary says of the workspace: %+v", ws)
	}

	// Every key of CONTRACT §3 is there.
	var keys map[string]any
	if err := json.Unmarshal([]byte(raw), &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"workflow_id", "target_id", "status", "steps", "findings", "summary", "sarif", "results_url"} {
		if keys[key] == nil {
			t.Errorf("the result has no %q", key)
		}
	}

	// Once more: nothing is downloaded, the path is the same, and nobody holds it.
	again, _, _ := run(t, "secrets", "SecretDetectionWorkflow", nil, "project")
	if ws := again.Summary.Workspace; ws == nil || !ws.Hit || ws.Path != result.Summary.Workspace.Path {
		t.Errorf("the second run's workspace is %+v, want a hit on %s", ws, result.Summary.Workspace.Path)
	}
	if n := strings.Count(log.String(), "Cache MISS"); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
	if again.Findings[0].Fingerprint != result.Findings[0].Fingerprint {
		t.Error("the finding's fingerprint changed from run to run")
	}
	entries, err := w.Cache().Entries()
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || len(entries[0].Holders) != 0 {
		t.Errorf("entries %+v, want one that nobody holds", entries)
	}
}

func TestSecurityAssessmentEndToEnd(t *testing.T) {
	opts, _ := setup(t)
	w := start(t, opts)
	put(t, w, "project", map[string]string{
		"app.py":     "import os\nos.system(input())\n# os.system('a comment')\n",
		"id_rsa":     "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEga2V5\n-----END OPENSSH PRIVATE KEY-----\n",
		"clean.py":   "print('hello')\n",
		"go.mod":     "module example.org/m\n\ngo 1.20\n",
		"main.go":    "package main\n\nimport \"crypto/md5\"\n\nfunc main() { println(md5.New()) }\n",
		"web/app.js": "const { exec } = require('child_process');\nexec('ls ' + process.argv[2]);\n",
	})
	// The memo asks for a tree of the run's own, against the metadata.
	result, _, r := run(t, "python", "SecurityAssessmentWorkflow", map[string]any{activities.MemoIsolation: "isolated"}, "project", map[string]any{"unheard": 1})

	found := map[string]bool{}
	for _, f := range result.Findings {
		found[f.FilePath] = true
	}
	if !found["app.py"] || !found["web/app.js"] || !found["id_rsa"] || found["clean.py"] {
		t.Errorf("findings in %v, want app.py, web/app.js and id_rsa", found)
	}
	if ws := result.Summary.Workspace; ws == nil || ws.Mode != cordon.Isolated || ws.Path != filepath.Join(opts.Config.CacheDir, "project", r.GetRunID(), "workspace") {
		t.Errorf("the workspace was %+v", ws)
	}
	if _, err := os.Lstat(filepath.Join(opts.Config.CacheDir, "project", r.GetRunID())); err == nil {
		t.Error("the run's directory is still there")
	}
	if !strings.Contains(strings.Join(result.Summary.Notes, "\n"), `"unheard"`) {
		t.Errorf("the notes %q do not name the unknown key", result.Summary.Notes)
	}
	if result.Status != activities.Completed {
		t.Errorf("status %s: %+v", result.Status, result.Steps)
	}
	// gosec is a program that a host may lack: then the result says so.
	i := slices.IndexFunc(result.Summary.Tools, func(tool finding.Tool) bool { return tool.Name == "gosec" })
	if i < 0 || result.Summary.Tools[i].Available != found["main.go"] || !found["main.go"] && result.Summary.Tools[i].Note == "" {
		t.Errorf("tools %+v, and findings in main.go: %t", result.Summary.Tools, found["main.go"])
	}
	if inv := result.Summary.Inventory; inv == nil || inv.Files != 6 {
		t.Errorf("the inventory is %+v, want 6 files", inv)
	}
}

// CONTRACT §3: what crosses the history stays below 512 KiB; the rest is by reference.
func TestALargeResultIsReturnedInPartAndStoredWhole(t *testing.T) {
	opts, _ := setup(t)
	w := start(t, opts)
	files := map[string]string{}
	for i := range 480 {
		files[fmt.Sprintf("some/rather/long/folder/name/file%03d.py", i)] =
			"import os, pickle, hashlib\nos.system(input())\neval(input())\npickle.loads(input())\nhashlib.md5(input())\n"
	}
	put(t, w, "project", files)
	result, raw, r := run(t, "python", "SecurityAssessmentWorkflow", nil, "project")
	const limit = 512 << 10
	if len(raw) >= limit {
		t.Errorf("the result has %d bytes", len(raw))
	}
	if result.Summary.FindingsTruncated == 0 || len(result.Findings)+result.Summary.FindingsTruncated != result.Summary.Total {
		t.Errorf("%d findings and %d truncated, of %d", len(result.Findings), result.Summary.FindingsTruncated, result.Summary.Total)
	}
	var whole activities.Result
	if err := json.Unmarshal([]byte(stored(t, opts, r.GetID(), "results.json")), &whole); err != nil {
		t.Fatal(err)
	}
	if len(whole.Findings) != result.Summary.Total || len(whole.SARIF) == 0 || whole.ResultsURL != result.ResultsURL {
		t.Errorf("stored: %d findings of %d, %d bytes of SARIF, URL %s", len(whole.Findings), result.Summary.Total, len(whole.SARIF), whole.ResultsURL)
	}
	history := server().GetDefaultClient().GetWorkflowHistory(context.Background(), r.GetID(), r.GetRunID(), false, 0)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			t.Fatal(err)
		}
		if n := len(event.String()); n > 2*limit { // text is larger than what it renders
			t.Errorf("event %s has %d bytes", event.GetEventType(), n)
		}
	}
}

func TestWatchTellsTheStep(t *testing.T) {
	opts, _ := setup(t)
	w := start(t, opts)
	put(t, w, "project", map[string]string{"a.py": "x = 1\n"})
	_, _, r := run(t, "secrets", "SecretDetectionWorkflow", nil, "project")
	p, err := workflows.Watch(context.Background(), server().GetDefaultClient(), r.GetID(), r.GetRunID())
	if err != nil || p.Index != 4 || p.Of != 4 || p.Step != "" {
		t.Errorf("after the end the progress is %+v (%v)", p, err)
	}
}

func TestAWorkerSweepsWhenItStarts(t *testing.T) {
	opts, log := setup(t)
	start(t, opts)
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(log.String(), "swept the cache"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no sweep in the log:\n%s", log)
		}
	}
}

func TestAWorkerThatCannotWorkSaysWhy(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := closed.Addr().String()
	closed.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		change func(*worker.Options)
		kind   cordon.Kind
		says   string
	}{
		{"Temporal is not there", func(o *worker.Options) { o.Temporal.HostPort = dead }, cordon.StorageUnavailable, dead},
		{"the namespace does not exist", func(o *worker.Options) { o.Temporal.Namespace = "nowhere" }, cordon.InvalidArgument, `"nowhere"`},
		{"there is no store", func(o *worker.Options) { o.Config.StoreDir = "" }, cordon.InvalidArgument, "S3_ENDPOINT"},
		{"there is no vertical", func(o *worker.Options) { o.Verticals = nil }, cordon.InvalidArgument, "WORKER_VERTICAL"},
		{"the cache is a file", func(o *worker.Options) { o.Config.CacheDir = file }, cordon.InvalidArgument, file},
		{"a folder of workflows is missing", func(o *worker.Options) { o.Config.WorkflowDirs = []string{"/nowhere/at/all"} }, cordon.InvalidArgument, "/nowhere/at/all"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			opts, _ := setup(t)
			tc.change(&opts)
			began := time.Now()
			err := worker.Run(context.Background(), opts)
			if cordon.KindOf(err) != tc.kind || !strings.Contains(fmt.Sprint(err), tc.says) {
				t.Errorf("got %s %v, want %s that says %s", cordon.KindOf(err), err, tc.kind, tc.says)
			}
			if took := time.Since(began); took > 12*time.Second {
				t.Errorf("it took %s to say so", took)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	opts, log := setup(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx, opts) }()
	for deadline := time.Now().Add(10 * time.Second); strings.Count(log.String(), "worker polls") < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not poll:\n%s", log)
		}
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it does not stop")
	}
}
