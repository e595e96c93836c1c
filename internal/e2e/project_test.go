package e2e

import (
	"path/filepath"
	"testing"
)

// The planted project: what is in it, and what is to be found there. The private
// key and the access key are made up.
var planted = map[string]string{
	"app/handlers.py": `import os
import pickle


def show(name):
    os.system("ls " + name)


def load(blob):
    return pickle.loads(blob)
`,
	"app/clean.py":   "def add(a, b):\n    return a + b\n\n\n# os.system('in a comment is no finding')\n",
	"web/login.js":   "const name = location.hash;\ndocument.write('<b>' + name + '</b>');\n",
	"conf/deploy.sh": "export AWS_ACCESS_KEY_ID=AKIAQYLPMN5HFIQR7XYA\n",
	"README.md":      "# planted\n",
}

// secret is what of the planted project nobody may ever see again.
const secret = "AKIAQYLPMN5HFIQR7XYA"

func (u user) plant(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(u.home, "project")
	for name, text := range planted {
		writeFile(t, filepath.Join(dir, name), text)
	}
	return dir
}

// result is what a test looks at in a run's result.
type result struct {
	WorkflowID string    `json:"workflow_id"`
	TargetID   string    `json:"target_id"`
	Status     string    `json:"status"`
	Findings   []finding `json:"findings"`
	Steps      []struct {
		Name   string `json:"name"`
		Status string `json:"status"`
	} `json:"steps"`
	Summary struct {
		Total      int            `json:"total"`
		BySeverity map[string]int `json:"by_severity"`
		Known      int            `json:"known"`
		Workspace  struct {
			Path string `json:"path"`
			Mode string `json:"mode"`
			Hit  bool   `json:"hit"`
		} `json:"workspace"`
	} `json:"summary"`
	SARIF struct {
		Version string `json:"version"`
		Runs    []struct {
			Results []any `json:"results"`
		} `json:"runs"`
	} `json:"sarif"`
	ResultsURL string `json:"results_url"`
}

type finding struct {
	RuleID      string `json:"rule_id"`
	Severity    string `json:"severity"`
	FilePath    string `json:"file_path"`
	LineStart   int    `json:"line_start"`
	Fingerprint string `json:"fingerprint"`
}

// at returns the finding of a rule in a file.
func (r result) at(rule, file string) (finding, bool) {
	for _, f := range r.Findings {
		if f.RuleID == rule && f.FilePath == file {
			return f, true
		}
	}
	return finding{}, false
}
