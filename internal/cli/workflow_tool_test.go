package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const scanner = `name: line_count
vertical: text
workspace_isolation: shared
run: [wc, -l, "a file", "{workspace}/{params.file}"]
env: {LC_ALL: C}
results: {stdout: out.txt, sarif: [a.sarif], json: a.json, keep: "logs/**"}
exit_codes: {ok: [0], findings: [1]}
limits: {memory: 512MB, time: 90s, processes: 8}
parameters: {properties: {file: {type: string, default: README}}}
`

// What a workflow without code does is shown as its file says it.
func TestShowTellsWhatAWorkflowRuns(t *testing.T) {
	c := newCall(t)
	dir := filepath.Join(c.home, "line_count")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "metadata.yaml"), []byte(scanner), 0o644); err != nil {
		t.Fatal(err)
	}
	c.env["CORDON_WORKFLOWS"] = c.home
	text := c.mustRun(t, "workflows", "show", "line_count").out
	for _, want := range []string{
		`runs       wc -l "a file" {workspace}/{params.file}`,
		"results    standard output to out.txt; SARIF a.sarif; JSON a.json; keeps logs/**",
		"exit codes ok [0], findings [1]",
		"limits     memory 512 MB, 8 processes, 1 min 30 s",
		"network    false",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	var got workflowJSON
	if err := json.Unmarshal([]byte(c.mustRun(t, "workflows", "show", "line_count", "--json").out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tool == nil || len(got.Tool.Run) != 4 || got.Tool.Env[0] != "LC_ALL=C" || got.Tool.Results.SARIF[0] != "a.sarif" ||
		got.Tool.ExitCodes.Findings[0] != 1 || got.Limits.Memory != 512e6 || got.Limits.Time != 90 || got.Network != "false" {
		t.Errorf("as JSON: %+v %+v", got, got.Tool)
	}
}

func TestValidateRefusesAReportInASharedWorkspace(t *testing.T) {
	c := newCall(t)
	file := filepath.Join(c.home, "metadata.yaml")
	text := strings.Replace(scanner, "sarif: [a.sarif]", "sarif: [\"{workspace}/a.sarif\"]", 1)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got := c.run(t, "workflows", "validate", file)
	if got.code != ExitFailure || !strings.Contains(got.out, file+":6:36: ") || !strings.Contains(got.out, "choose workspace_isolation: isolated, or copy-on-write") {
		t.Errorf("exit code %d:\n%s", got.code, got.out)
	}
}
