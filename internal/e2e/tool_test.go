package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// examples is the folder that README tells people to put into CORDON_WORKFLOWS.
func examples(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../examples/workflows")
	if err != nil {
		t.Fatal(err)
	}
	return "CORDON_WORKFLOWS=" + dir
}

func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed; ./test.sh installs it", program)
	}
}

// A metadata.yaml is all that a tool from a package registry needs.
func TestTheExampleWorkflowsRunTheirTools(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, text, rule string
		line             int
		params           []string
	}{
		"bandit":     {"app/run.py", "import subprocess\n\n\ndef f(x):\n    subprocess.call('ls ' + x, shell=True)\n", "bandit-b602", 5, []string{"-p", "severity=high"}},
		"flawfinder": {"src/a.c", "#include <string.h>\nvoid f(char *a, char *b) {\n  strcpy(a, b);\n}\n", "flawfinder-ff1001", 3, []string{"-p", "min_level=4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			need(t, name)
			u := newUser(t, examples(t))
			u.must(t, 0, "workflows", "validate", filepath.Join(strings.TrimPrefix(examples(t), "CORDON_WORKFLOWS="), name))
			project := filepath.Join(u.home, "project")
			writeFile(t, filepath.Join(project, c.file), c.text)
			sarif := filepath.Join(u.home, "out.sarif")
			args := append([]string{"run", name, project, "--data", u.data(), "--json", "--sarif", sarif, "--fail-on", "high"}, c.params...)
			got := u.must(t, 6, args...)
			var r result
			decode(t, got.out, &r)
			f, ok := r.at(c.rule, c.file)
			if !ok || f.LineStart != c.line || len(r.Findings) != 1 {
				t.Errorf("want %s at %s:%d alone; found %+v", c.rule, c.file, c.line, r.Findings)
			}
			if r.Summary.Workspace.Mode != "shared" {
				t.Errorf("the mode is %s", r.Summary.Workspace.Mode)
			}
			text, err := os.ReadFile(sarif)
			if err != nil || !strings.Contains(string(text), c.rule) {
				t.Errorf("the SARIF file: %v %.200s", err, text)
			}
			var more struct {
				Summary struct {
					Sandbox struct{ Tier string }
				}
				Tool struct {
					Program string
					Kept    []struct{ Key string }
				}
			}
			decode(t, got.out, &more)
			if more.Summary.Sandbox.Tier == "" || more.Tool.Program != name {
				t.Errorf("it does not say how it was confined: %+v", more)
			}
			for _, k := range more.Tool.Kept {
				if _, err := os.Stat(filepath.Join(u.data(), "store", "fuzzing", k.Key)); err != nil {
					t.Errorf("what is kept is not in the store: %v", err)
				}
			}
			u.nothingLeft(t)
		})
	}
}

// The same tool of a folder runs under `cordon dev` too, and what it may not do is said.
func TestAToolThatWritesIntoASharedWorkspaceIsToldTheMode(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	flows := filepath.Join(u.home, "flows")
	file := filepath.Join(flows, "stamp", "metadata.yaml")
	const text = "name: stamp\nvertical: stamps\nworkspace_isolation: shared\nrun: [touch, \"{workspace}/stamp\"]\n"
	writeFile(t, file, text)
	writeFile(t, filepath.Join(u.home, "project", "a.txt"), "a\n")
	u = u.with("CORDON_WORKFLOWS=" + flows)
	d := u.dev(t)
	if !strings.Contains(strings.Join(d.Queues, " "), "stamps-queue") {
		t.Errorf("it polls %v", d.Queues)
	}
	u = u.with("TEMPORAL_ADDRESS=" + d.Temporal)
	got := u.must(t, 1, "run", "stamp", filepath.Join(u.home, "project"), "--data", u.data())
	for _, want := range []string{"workspace_isolation: isolated", "copy-on-write", file} {
		if !strings.Contains(got.err, want) {
			t.Errorf("it does not say %q:\n%s", want, got.err)
		}
	}
	// Following the advice is enough: nothing is restarted.
	writeFile(t, file, strings.Replace(text, "shared", "copy-on-write", 1))
	u.must(t, 0, "run", "stamp", filepath.Join(u.home, "project"), "--data", u.data())
}
