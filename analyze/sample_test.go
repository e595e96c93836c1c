package analyze_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/analyze/code"
	"github.com/cordonlabs/cordon/analyze/gosec"
	"github.com/cordonlabs/cordon/analyze/inventory"
	"github.com/cordonlabs/cordon/analyze/secrets"
	"github.com/cordonlabs/cordon/finding"
)

// The secrets of the sample. They are put together here, so that no scanner takes this file for a leak.
var (
	githubToken = "ghp_" + "x9Kq2vT7LmN4pRs8WzYb3cD6fGh1jE5uA0Qo"
	awsKey      = "AKIA" + "QYLPMN5HHHFPZAM2"
)

// sample is a project with planted problems, each beside what only looks like one.
var sample = map[string]string{
	"api/app.py": `"""Runs os.system(cmd) on request."""
import os
import subprocess as sp
from flask import Flask, request

app = Flask(__name__)

# os.system(request.args["x"])
@app.route("/run")
def run():
    name = request.args.get("name")
    cur.execute("SELECT * FROM users WHERE name = '%s'" % name)
    cur.execute("SELECT * FROM users WHERE name = %s", (name,))
    sp.run(["ls", name])
    sp.run(
        f"convert {name}",
        shell=True,
    )
    token = "` + githubToken + `"; os.system("login " + token + name)
    return "eval(name)"
`,
	"web/server.ts": `import { exec as run } from "child_process";
// run(cmd)
const help = "run(cmd) and eval(x)";
export function go(dir: string) {
  run("ls -l");
  run(` + "`ls ${dir}`" + `);
  return /eval(x)/.exec(dir);
}
`,
	"web/node_modules/bad/index.js": "eval(process.argv[2] + x)\n",
	"src/Main.java":                 "class Main {\n  void f(String n) throws Exception {\n    st.executeQuery(\"SELECT a FROM b WHERE n = '\" + n + \"'\");\n    st.executeQuery(\"SELECT a FROM b\"); // + n\n  }\n}\n",
	"old/index.php":                 "<h1>Don't eval($x)</h1>\n<?php\necho htmlspecialchars($_GET['a']);\necho 'Hi ' . $_GET['b'];\n",
	"lib/tool.rb":                   "# system(\"rm #{x}\")\nsystem(\"rm\", x)\nsystem(\"rm #{x}\")\n",
	"deploy/prod.env":               "DEBUG=0\nAWS_ACCESS_KEY_ID=" + awsKey + "\nDB_PASSWORD=tigertiger\n",
	"deploy/.env.example":           "DB_PASSWORD=changeme\n",
	"cmd/tool/go.mod":               "module example.com/tool\n\ngo 1.22\n",
	"cmd/tool/main.go":              "package main\n\nimport (\n\t\"crypto/md5\"\n\t\"fmt\"\n)\n\n// md5.Sum(nil) here is a comment.\nfunc main() { fmt.Println(md5.Sum(nil), \"md5.Sum(nil)\") }\n",
	finding.IgnoreFile:              "ruby-*  lib/**  # a tool of ours\n",
}

func TestASampleProjectYieldsExactlyItsPlantedProblems(t *testing.T) {
	dir := t.TempDir()
	for name, body := range sample {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	scrub, err := secrets.NewScrubber()
	if err != nil {
		t.Fatal(err)
	}
	var all []finding.Finding
	var tools []finding.Tool
	add := func(res *analyze.Result, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		all, tools = append(all, res.Findings...), append(tools, res.Tools...)
	}
	ctx := t.Context()
	add(secrets.Scan(ctx, secrets.Options{Dir: dir, Scrubber: scrub}))
	_, files, err := inventory.Scan(ctx, inventory.Options{Dir: dir})
	add(files, err)
	add(code.Scan(ctx, code.Options{Dir: dir, Scrubber: scrub}))
	want := []string{
		"critical secret-aws-access-token deploy/prod.env:2",
		"critical secret-github-pat api/app.py:19",
		"high java-sql-string src/Main.java:3",
		"high js-child-process-exec web/server.ts:6",
		"high php-xss old/index.php:4",
		"high py-os-system api/app.py:19",
		"high py-sql-string api/app.py:12",
		"high py-subprocess-shell api/app.py:15",
		"high sensitive-dotenv deploy/prod.env:0",
	}
	if _, err := exec.LookPath(gosecProgram()); err == nil && !testing.Short() {
		add(gosec.Scan(ctx, gosec.Options{Dir: dir, Scrubber: scrub}))
		want = append(want, "medium gosec-g401 cmd/tool/main.go:9", "medium gosec-g501 cmd/tool/main.go:4")
	}
	finding.Sort(all)

	f, err := os.Open(filepath.Join(dir, finding.IgnoreFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ignore, err := finding.ParseIgnore(f)
	if err != nil {
		t.Fatal(err)
	}
	kept, suppressed := ignore.Apply(all, time.Now())
	if len(suppressed) != 1 || suppressed[0].RuleID != "ruby-command-exec" || suppressed[0].LineStart != 3 {
		t.Errorf("suppressed %+v", suppressed)
	}
	var got []string
	for _, f := range kept {
		got = append(got, string(f.Severity)+" "+f.RuleID+" "+f.FilePath+":"+strconv.Itoa(f.LineStart))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// Nothing that is printed or stored has a secret in it, whichever analyser it comes from.
	var sarif bytes.Buffer
	sum := finding.NewSummary(kept, time.Second)
	sum.Tools = tools
	if err := finding.WriteSARIF(&sarif, finding.SARIFRun{Version: "test", Findings: kept, Suppressed: suppressed, Summary: sum}); err != nil {
		t.Fatal(err)
	}
	results, err := json.Marshal(map[string]any{"findings": kept, "summary": sum})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{githubToken[4:], awsKey[4:], "tigertiger"} {
		for i := 0; i+8 <= len(secret); i++ {
			if strings.Contains(sarif.String()+string(results), secret[i:i+8]) {
				t.Fatalf("%q of a secret is in the results", secret[i:i+8])
			}
		}
	}

	// With the first result as its baseline, a second one has nothing new.
	base, err := finding.ReadBaseline(bytes.NewReader(results), "results.json")
	if err != nil {
		t.Fatal(err)
	}
	if fresh, known := base.Filter(kept); len(fresh) != 0 || known != len(kept) {
		t.Errorf("%d new, %d known", len(fresh), known)
	}
}

func gosecProgram() string {
	if name := os.Getenv(gosec.Env); name != "" {
		return name
	}
	return "gosec"
}
