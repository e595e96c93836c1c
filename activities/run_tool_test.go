package activities_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/finding"
)

// toolHouse is a house whose workflow CallWorkflow runs a shell script that lies
// beside its metadata.
type toolHouse struct {
	*house
	t    *testing.T
	dir  string
	path string // the workspace
}

const toolMetadata = `name: trial
vertical: shell
workflow_class: CallWorkflow
workspace_isolation: %s
run: [sh, "{workflow}/tool.sh", "{workspace}", "{output}", "{params.word}"]
parameters: {properties: {word: {type: string, default: hello}}}
%s`

func openTool(t *testing.T, mode cordon.Mode, more, script string) *toolHouse {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil { // a confined tool may be another user
		t.Fatal(err)
	}
	write("metadata.yaml", fmt.Sprintf(toolMetadata, mode, more))
	write("tool.sh", "set -e\nworkspace=$1 output=$2 word=$3\n"+script)
	h := &toolHouse{open(t, options{catalog: []string{dir}}), t, dir, ""}
	h.put("project", map[string]string{"src/a.c": "int main(void) { return 1; }\n", "README": "read me\n"})
	a, _, err := h.call(activities.GetTargetName, text("project"), text("r1"), text(string(mode)))
	h.path = h.house.path(a, err)
	return h
}

func (h *toolHouse) try(args ...string) (activities.Part, error) {
	h.t.Helper()
	req := activities.RunToolRequest{Path: h.path}
	for _, a := range args {
		req.Arguments = append(req.Arguments, json.RawMessage(a))
	}
	var part activities.Part
	a, _, err := h.call(activities.RunToolName, object(h.t, req))
	if err == nil {
		err = json.Unmarshal([]byte(a.Result), &part)
	}
	return part, err
}

func (h *toolHouse) must(args ...string) activities.Part {
	h.t.Helper()
	part, err := h.try(args...)
	if err != nil {
		h.t.Fatal(err)
	}
	return part
}

// tidy reports what of a tool is left in the cache.
func (h *toolHouse) tidy() {
	h.t.Helper()
	for _, dir := range []string{"staging", "reservations"} {
		left, err := os.ReadDir(h.in(".cordon", dir))
		if err != nil || len(left) > 0 {
			h.t.Errorf("%s: %v, %v; want nothing", dir, left, err)
		}
	}
}

const sarifOf = `cat > "$output/r.sarif" <<END
{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Trial","version":"1"}},"results":[
{"ruleId":"X1","level":"error","message":{"text":"$word"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"file://$workspace/src/a.c"},"region":{"startLine":1}}}]}]}]}
END
`

func TestAToolsFindingsDataAndFilesArePassedOn(t *testing.T) {
	t.Parallel()
	for _, mode := range cordon.Modes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			h := openTool(t, mode, "results: {sarif: r.sarif, json: r.json, keep: 'logs/**'}\nexit_codes: {findings: [7]}\n", sarifOf+`
echo '{"lines": 1}' > "$output/r.json"
mkdir "$output/logs"; echo kept > "$output/logs/a log"
exit 7
`)
			part := h.must(`"good"`)
			if part.Findings != 1 || part.Result == nil || len(part.Result.Findings) != 1 {
				t.Fatalf("got %+v", part)
			}
			f := part.Result.Findings[0]
			if f.RuleID != "trial-x1" || f.FilePath != "src/a.c" || f.Severity != finding.High || f.Description != "good" || !strings.Contains(f.CodeSnippet, "int main") {
				t.Errorf("finding %+v", f)
			}
			if tools := part.Result.Tools; len(tools) != 1 || tools[0].Name != "Trial" || !tools[0].Available {
				t.Errorf("tools %+v", tools)
			}
			run := part.Run
			if run == nil || run.Program != "sh" || run.ExitCode != 7 || strings.TrimSpace(string(run.Data)) != `{"lines":1}` && strings.TrimSpace(string(run.Data)) != `{"lines": 1}` {
				t.Fatalf("run %+v", run)
			}
			if part.Sandbox == nil || part.Sandbox.Tier == "" {
				t.Errorf("no report of the confinement: %+v", part.Sandbox)
			}
			if len(run.Kept) != 1 || run.Kept[0].Name != "logs/a log" || run.Kept[0].Bytes != 5 {
				t.Fatalf("kept %+v", run.Kept)
			}
			r, _, err := h.store.OpenBlob(t.Context(), run.Kept[0].Key)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if b, err := io.ReadAll(r); err != nil || string(b) != "kept\n" || !strings.HasPrefix(run.Kept[0].Key, "artifacts/") {
				t.Errorf("stored %q under %s, %v", b, run.Kept[0].Key, err)
			}
			h.tidy()
		})
	}
}

func TestStandardOutputIsAReportToo(t *testing.T) {
	t.Parallel()
	h := openTool(t, cordon.Shared, "results: {stdout: deep/r.sarif, sarif: deep/r.sarif}\n", strings.Replace(sarifOf, `cat > "$output/r.sarif"`, "cat", 1))
	if part := h.must(); part.Findings != 1 || part.Result.Findings[0].Description != "hello" {
		t.Errorf("got %+v", part)
	}
}

// What the tool changes in a workspace of its own stays there, and can be a result.
func TestAToolMayWriteIntoAWorkspaceOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, mode := range []cordon.Mode{cordon.Isolated, cordon.CopyOnWrite} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			h := openTool(t, mode, "results: {json: '{workspace}/out.json'}\n", `cd "$workspace"; echo '[1]' > out.json; rm README`)
			if part := h.must(); string(part.Run.Data) != "[1]\n" && string(part.Run.Data) != "[1]" {
				t.Errorf("data %q", part.Run.Data)
			}
			if exists(filepath.Join(h.path, "README")) || !exists(filepath.Join(h.path, "out.json")) {
				t.Error("the workspace is not as the tool left it")
			}
		})
	}
}

// The seed's warning made real: the error names the modes to choose, and the file.
func TestWritingIntoASharedWorkspaceNamesTheModeToChoose(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"by its path": `echo x > "$workspace/new"`,
		"from inside": `cd "$workspace"; echo x > new`,
		"a removal":   `rm -f "$workspace/README"`,
		"a directory": `mkdir "$workspace/src/obj" >&2`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := openTool(t, cordon.Shared, "", script)
			_, err := h.try()
			app := failed(t, err)
			if app.Type() != string(cordon.PermissionDenied) || !app.NonRetryable() {
				t.Errorf("got %s, want PermissionDenied: %s", app.Type(), app.Message())
			}
			for _, want := range []string{"workspace_isolation: isolated", "copy-on-write", filepath.Join(h.dir, "metadata.yaml"), "mode is shared"} {
				if !strings.Contains(app.Message(), want) {
					t.Errorf("it does not say %q: %s", want, app.Message())
				}
			}
			h.tidy()
		})
	}
	t.Run("what it may not do elsewhere is another matter", func(t *testing.T) {
		h := openTool(t, cordon.Shared, "", `echo x > /usr/new`)
		_, err := h.try()
		if app := failed(t, err); app.Type() != string(cordon.InvalidArgument) {
			t.Errorf("got %s: %s", app.Type(), app.Message())
		}
	})
	t.Run("a run that asks for shared although its results lie in the workspace", func(t *testing.T) {
		h := openTool(t, cordon.Isolated, "results: {json: '{workspace}/x'}\n", `exit 0`)
		memo := map[string]any{activities.MemoIsolation: "shared"}
		h.path = h.result(h.start("CallWorkflow", memo, call{Activity: activities.GetTargetName, Args: []arg{text("project"), text("r2")}}))
		_, err := h.try()
		if app := failed(t, err); app.Type() != string(cordon.PermissionDenied) || !strings.Contains(app.Message(), "its results lie in the workspace") {
			t.Errorf("got %s: %s", app.Type(), app.Message())
		}
	})
}

// A tool that fails says how, with its last words, and all of them are stored.
func TestAToolThatFailsSaysHow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		more, script string
		kind         cordon.Kind
		says         []string
	}{
		"an exit code that is not listed": {"", "echo progress; seq 1 2000 >&2; echo 'cannot parse it' >&2; exit 3", cordon.InvalidArgument,
			[]string{"exit code 3", "cannot parse it", "exit_codes in", "all that it printed: file://"}},
		"a signal": {"", "kill -SEGV $$", cordon.InvalidArgument, []string{"signal 11 (segmentation fault)"}},
		"no words": {"", "exit 1", cordon.InvalidArgument, []string{"exit code 1, and said nothing"}},
		"the time": {"limits: {time: 1s}\n", "echo begun; sleep 60", cordon.InvalidArgument, []string{"over its limit, 1s", "raise limits.time in"}},
		"no report": {"results: {sarif: r.sarif}\n", "echo hi >&2", cordon.InvalidArgument,
			[]string{"exit code 0 and left no r.sarif: hi", "correct results in"}},
		"a report that is none": {"results: {sarif: r.sarif}\n", `echo '<x/>' > "$output/r.sarif"`, cordon.InvalidArgument, []string{"no SARIF 2.1.0"}},
		"data that are none":    {"results: {json: r.json}\n", `echo '{' > "$output/r.json"`, cordon.InvalidArgument, []string{"r.json is not JSON"}},
		"a report that is a link": {"results: {json: r.json}\n", `ln -s /etc/hostname "$output/r.json"`, cordon.InvalidArgument,
			[]string{"r.json cannot be read"}},
		"a report that is a FIFO": {"results: {json: r.json}\n", `mkfifo "$output/r.json"`, cordon.InvalidArgument, []string{"r.json cannot be read"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := openTool(t, cordon.Shared, c.more, c.script)
			_, err := h.try()
			app := failed(t, err)
			if app.Type() != string(c.kind) || !app.NonRetryable() {
				t.Errorf("got %s, want %s", app.Type(), c.kind)
			}
			for _, want := range c.says {
				if !strings.Contains(app.Message(), want) {
					t.Errorf("it does not say %q: %s", want, app.Message())
				}
			}
			if _, at, ok := strings.Cut(app.Message(), "all that it printed: file://"); ok {
				at, _, _ = strings.Cut(at, ";")
				var f activities.ToolFailure
				b, err := os.ReadFile(at)
				if err == nil {
					err = json.Unmarshal(b, &f)
				}
				if err != nil {
					t.Errorf("what it printed is not at %s: %v", at, err)
				}
				if name == "an exit code that is not listed" && (!strings.Contains(f.Stdout, "progress") || !strings.Contains(f.Stderr, "1\n2\n") || f.ExitCode != 3 || f.Sandbox.Tier == "") {
					t.Errorf("stored %.300s", b)
				}
			}
			h.tidy()
		})
	}
}

func TestAToolThatIsNotInstalledIsNamed(t *testing.T) {
	t.Parallel()
	h := openTool(t, cordon.Shared, "", "")
	file := filepath.Join(h.dir, "metadata.yaml")
	for run, says := range map[string]string{"no-such-tool-7": `"no-such-tool-7": it is not installed`, "/opt/no/such": "such"} {
		// Editing the file is enough.
		if err := os.WriteFile(file, []byte("name: trial\nvertical: shell\nworkflow_class: CallWorkflow\nrun: ["+run+"]\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := h.try()
		if app := failed(t, err); app.Type() != string(cordon.InvalidArgument) || !strings.Contains(app.Message(), says) {
			t.Errorf("got %s %s", app.Type(), app.Message())
		}
	}
}

// What is run is said by the metadata, and by nobody else.
func TestTheCallerGivesParametersAlone(t *testing.T) {
	t.Parallel()
	h := openTool(t, cordon.Shared, "results: {json: r.json}\n", `printf '"%s"' "$word" > "$output/r.json"`)
	if part := h.must(`"a $(id) ; b"`); string(part.Run.Data) != `"a $(id) ; b"` {
		t.Errorf("the tool got %s", part.Run.Data)
	}
	for _, wrong := range []string{`"-x"`, `7`, `["a"]`} {
		_, err := h.try(wrong)
		if app := failed(t, err); app.Type() != string(cordon.InvalidArgument) || !strings.Contains(app.Message(), "word") {
			t.Errorf("%s: %s %s", wrong, app.Type(), app.Message())
		}
	}
	if err := os.WriteFile(filepath.Join(h.dir, "metadata.yaml"), []byte("name: trial\nvertical: shell\nworkflow_class: CallWorkflow\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := h.try()
	if app := failed(t, err); app.Type() != string(cordon.InvalidArgument) || !strings.Contains(app.Message(), "has no run") {
		t.Errorf("without run: %s %s", app.Type(), app.Message())
	}
}

// The tool's workspace is all of the cache that it sees, and it has no network.
func TestAToolIsConfined(t *testing.T) {
	t.Parallel()
	h := openTool(t, cordon.Shared, "results: {json: r.json}\n", `
seen=$(ls -A "$word" 2>/dev/null | tr '\n' ' ')
net=$(wc -l < /proc/net/route)
printf '["%s", %s]' "$seen" "$net" > "$output/r.json"`)
	part := h.must(fmt.Sprintf("%q", h.cache.Dir()+"/.cordon"))
	if part.Sandbox.Tier == "none" || part.Sandbox.Tier == "landlock" {
		t.Skipf("this host confines by tier %s alone: %v", part.Sandbox.Tier, part.Sandbox.Missing)
	}
	var got []any
	if err := json.Unmarshal(part.Run.Data, &got); err != nil {
		t.Fatal(err)
	}
	if got[0] != "staging " || got[1] != 0.0 && got[1] != 1.0 {
		t.Errorf("it sees %q of the cache's state, and %v lines of routes (one is the heading)", got[0], got[1])
	}
}

// A single file is handed to the tool in a directory of its own.
func TestAToolThatGetsASingleFile(t *testing.T) {
	t.Parallel()
	for _, mode := range []cordon.Mode{cordon.Shared, cordon.Isolated} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			h := openTool(t, mode, "results: {json: r.json}\n", `printf '"%s %s"' "$(ls "$workspace" | tr '\n' ' ')" "$(cat "$workspace/target")" > "$output/r.json"`)
			h.put("file", map[string]string{"": "content"})
			a, _, err := h.call(activities.GetTargetName, text("file"), text("r1"), text(string(mode)))
			h.path = h.house.path(a, err)
			if part := h.must(); string(part.Run.Data) != `"target  content"` {
				t.Errorf("it saw %s", part.Run.Data)
			}
			h.tidy()
		})
	}
}

// A tool without limits of its own in a workspace of its own still has but the room
// that was reserved for its output.
func TestAToolMayNotFillTheDiskThroughItsOutput(t *testing.T) {
	t.Parallel()
	h := openTool(t, cordon.Isolated, "", `trap 'exit 0' INT TERM
fallocate -l 200M "$output/a" && fallocate -l 200M "$output/b" || echo no-fallocate
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1; done`)
	if _, err := exec.LookPath("fallocate"); err != nil {
		t.Skip(err)
	}
	if _, err := h.try(); err == nil || !strings.Contains(err.Error(), "output directory") {
		t.Errorf("it ends with %v", err)
	}
	h.tidy()
}

// CONTRACT §7, row 13: over in 5 s, and nothing of it is left.
func TestACancelledToolIsOverSoon(t *testing.T) {
	t.Parallel()
	h := openTool(t, cordon.Isolated, "", `trap '' INT TERM; echo "it has begun" >&2; echo $$ > "$workspace/begun"; while :; do sleep 1; done`)
	run := h.start("CallWorkflow", nil, call{Activity: activities.RunToolName, Args: []arg{object(t, activities.RunToolRequest{Path: h.path})}, Timeout: time.Hour, Attempts: 1})
	for end := time.Now().Add(time.Minute); !exists(filepath.Join(h.path, "begun")); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the tool does not begin")
		}
	}
	if err := h.client.CancelWorkflow(t.Context(), run.GetID(), ""); err != nil {
		t.Fatal(err)
	}
	if err := h.wait(run, nil); err == nil {
		t.Error("the run ended well")
	}
	h.tidy()
	if err := h.cache.Close(); err != nil { // nothing has the workspace any more
		t.Error(err)
	}
}
