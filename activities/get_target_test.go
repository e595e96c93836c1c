package activities_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
)

// CONTRACT §1.1 and §1.2: what callers in any language pass, and the path they get.
func TestGetTargetArguments(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.put("project", map[string]string{"a.txt": "a"})
	h.put("blob", map[string]string{"": "just bytes"})

	for _, tc := range []struct {
		name string
		args []arg
		want string // below the cache; RUN stands for the calling run's id
	}{
		{"the target alone means the calling run, isolated", []arg{text("project")}, "project/RUN/workspace"},
		{"a run id names the run", []arg{text("project"), text("r1")}, "project/r1/workspace"},
		{"an empty run id means the calling run", []arg{text("project"), text("")}, "project/RUN/workspace"},
		{"isolated is spelt out", []arg{text("project"), text("r2"), text("isolated")}, "project/r2/workspace"},
		{"shared has one path for all runs", []arg{text("project"), text("r3"), text("shared")}, "project/workspace"},
		{"copy-on-write gives the run a tree of its own", []arg{text("project"), text("r4"), text("copy-on-write")}, "project/r4/workspace"},
		{"an empty mode means isolated", []arg{text("project"), text("r5"), text("")}, "project/r5/workspace"},
		{"null means the default", []arg{text("project"), null, null}, "project/RUN/workspace"},
		{"null as JSON text means the default", []arg{text("project"), {Data: "null"}, {Data: " null "}}, "project/RUN/workspace"},
		{"two arguments too many are ignored", []arg{text("project"), text("r6"), text("shared"), {Data: "7"}, {Encoding: "binary/plain", Data: "x"}}, "project/workspace"},
		{"one object holds the arguments by name", []arg{{Data: `{"target_id":"project","run_id":"r7","workspace_isolation":"copy-on-write"}`}}, "project/r7/workspace"},
		{"an object may leave arguments out and have others", []arg{{Data: `{"target_id":"project","run_id":null,"more":[1]}`}}, "project/RUN/workspace"},
		{"a target that is no archive is a file", []arg{text("blob"), text("r8")}, "blob/r8/target"},
		{"a shared file lies beside the runs", []arg{text("blob"), text("r9"), text("shared")}, "blob/target"},
		{"escapes in the JSON text are read", []arg{{Data: `"pro\u006aect"`}, text("r10")}, "project/r10/workspace"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, run, err := h.call(activities.GetTargetName, tc.args...)
			got := h.path(a, err)
			if want := h.in(strings.ReplaceAll(tc.want, "RUN", run)); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if !exists(got) {
				t.Errorf("%s does not exist", got)
			}
			if a.Encoding != "json/plain" {
				t.Errorf("the result is %s, want json/plain", a.Encoding)
			}
			if line := "User code downloaded"; !strings.Contains(h.log.String(), line) || !strings.Contains(h.log.String(), "path="+got+" ") {
				t.Errorf("the log does not say %q with the path %s", line, got)
			}
		})
	}
	// Nothing is retried: there is no limit to the attempts, and each call returns.
	for _, tc := range []struct {
		name string
		args []arg
		says string // the message names the argument
	}{
		{"no argument at all", nil, "target_id is missing"},
		{"a null target", []arg{null}, "target_id is missing"},
		{"an empty target", []arg{text("")}, "target_id is missing"},
		{"a number as target", []arg{{Data: "7"}}, "target_id is a number, not a string"},
		{"a list as target", []arg{{Data: `["project"]`}}, "target_id is an array"},
		{"a boolean as run", []arg{text("project"), {Data: "true"}}, "run_id is a boolean"},
		{"an object as run", []arg{text("project"), {Data: `{"a":1}`}}, "run_id is an object"},
		{"a number as mode", []arg{text("project"), null, {Data: "1.5"}}, "workspace_isolation is a number"},
		{"a mode that does not exist", []arg{text("project"), null, text("Shared")}, "workspace_isolation"},
		{"bytes as target", []arg{{Encoding: "binary/plain", Data: "project"}}, `target_id has the payload encoding "binary/plain"`},
		{"text that is no JSON", []arg{{Data: `"project`}}, "target_id is not well-formed JSON"},
		{"bytes that are no UTF-8", []arg{{Data: "\"pro\xffject\""}}, "target_id is not valid UTF-8"},
		{"half a surrogate pair", []arg{{Data: `"pro\ud800ject"`}}, "target_id is not valid Unicode"},
		{"an object without a target", []arg{{Data: `{"run_id":"r"}`}}, "target_id is missing"},
		{"an object with a number as target", []arg{{Data: `{"target_id":1}`}}, "target_id is a number"},
		{"a target with a separator", []arg{text("a/b")}, "target_id"},
		{"a target that leads up", []arg{text("..")}, "target_id"},
		{"a reserved target", []arg{text("shared")}, "target_id"},
		{"a run with a separator", []arg{text("project"), text("../x")}, "run_id"},
		{"a reserved run", []arg{text("project"), text("workspace")}, "run_id"},
		{"a run that begins with a dot", []arg{text("project"), text(".cordon")}, "run_id"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := tree(t, h.cache.Dir())
			_, _, err := h.call(activities.GetTargetName, tc.args...)
			app := failed(t, err)
			if app.Type() != string(cordon.InvalidArgument) || !app.NonRetryable() {
				t.Errorf("type %s, non-retryable %t; want InvalidArgument, true", app.Type(), app.NonRetryable())
			}
			if !strings.Contains(app.Message(), tc.says) {
				t.Errorf("message %q does not say %q", app.Message(), tc.says)
			}
			if after := tree(t, h.cache.Dir()); after != before {
				t.Errorf("the cache changed:\n%s\n%s", before, after)
			}
		})
	}
}

// tree lists what people see of a cache: everything but its own state.
func tree(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == ".cordon" {
			return filepath.SkipDir
		}
		b.WriteString(strings.TrimPrefix(path, root) + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
