package gosec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
)

// hide is a scrubber that knows one word.
type hide string

func (h hide) Scrub(s string) string { return strings.ReplaceAll(s, string(h), "****") }

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// fake installs a program in the place of gosec.
func fake(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{"gosec": "#!/bin/sh\n" + script + "\n"})
	t.Setenv(Env, filepath.Join(dir, "gosec"))
}

func TestWithoutGosecTheResultSaysHowToGetIt(t *testing.T) {
	t.Setenv(Env, filepath.Join(t.TempDir(), "none"))
	dir := t.TempDir()
	write(t, dir, map[string]string{"main.go": "package main\n"})
	res, err := Scan(t.Context(), Options{Dir: dir, Scrubber: hide("")})
	if err != nil || len(res.Tools) != 1 || res.Tools[0].Available || !strings.Contains(res.Tools[0].Note, "gosec not installed: Go code was not analysed in depth") || !strings.Contains(res.Tools[0].Note, "go install") {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestAWorkspaceWithoutGoIsNoMatterOfGosecs(t *testing.T) {
	t.Setenv(Env, filepath.Join(t.TempDir(), "none"))
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.py": "x", "node_modules/x/a.go": "package x"})
	res, err := Scan(t.Context(), Options{Dir: dir, Scrubber: hide("")})
	if err != nil || len(res.Tools) != 0 || len(res.Notes) != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestItsEnvironmentHoldsNoSecretAndNoWayOut(t *testing.T) {
	fake(t, `env > "$HOME/../seen-$$"; mv "$HOME/../seen-$$" "$(pwd)/../seen"; echo '{"Issues":[],"GosecVersion":"v9"}'`)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "sesame")
	t.Setenv("GOFLAGS", "-toolexec=/tmp/evil")
	parent := t.TempDir()
	write(t, parent, map[string]string{"ws/go.mod": "module x\n", "ws/a.go": "package x\n"})
	// The fake runs with the go command's directory alone as PATH; it needs env and mv from the system.
	body, err := os.ReadFile(os.Getenv(Env))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv(Env), []byte(strings.NewReplacer("env >", "/usr/bin/env >", "mv ", "/bin/mv ").Replace(string(body))), 0o755); err != nil {
		t.Fatal(err)
	}
	res, err := Scan(t.Context(), Options{Dir: filepath.Join(parent, "ws"), Scrubber: hide("")})
	if err != nil || res.Tools[0].Version != "v9" {
		t.Fatalf("%+v, %v", res, err)
	}
	seen, err := os.ReadFile(filepath.Join(parent, "seen"))
	if err != nil {
		t.Fatal(err)
	}
	env := string(seen)
	for _, bad := range []string{"sesame", "toolexec", os.Getenv("HOME") + "\n"} {
		if strings.Contains(env, bad) {
			t.Errorf("%q is in the environment:\n%s", bad, env)
		}
	}
	for _, want := range []string{"GOPROXY=off", "GOTOOLCHAIN=local", "CGO_ENABLED=0", "GOWORK=off", "GOENV=off", "GOFLAGS=-buildvcs=false"} {
		if !strings.Contains(env, want+"\n") {
			t.Errorf("%s is missing:\n%s", want, env)
		}
	}
}

func TestWhatGosecPrintsIsNotTrusted(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"go.mod": "module x\n", "a.go": "package x\n\nvar p = \"opensesame\"\n"})
	for name, c := range map[string]struct {
		out      string
		findings int
		note     string
	}{
		"a file outside of the workspace": {`{"Issues":[{"rule_id":"G101","file":"/etc/passwd","line":"1","severity":"HIGH"}]}`, 0, ""},
		"a rule that is none":             {`{"Issues":[{"rule_id":"../G1","file":"` + dir + `/a.go","line":"3"}]}`, 0, ""},
		"a line that is none":             {`{"Issues":[{"rule_id":"G101","file":"` + dir + `/a.go","line":"-4"}]}`, 0, ""},
		"a line past the end":             {`{"Issues":[{"rule_id":"G101","file":"` + dir + `/a.go","line":"3000-9999999"}]}`, 1, ""},
		"a password":                      {`{"Issues":[{"rule_id":"G101","file":"` + dir + `/a.go","line":"3","details":"it is opensesame"}]}`, 1, ""},
		"no JSON":                         {`panic: x`, 0, "cannot be read"},
		"nothing":                         {``, 0, "did not analyse"},
	} {
		t.Run(name, func(t *testing.T) {
			fake(t, "echo '"+c.out+"'")
			if c.out == "" {
				fake(t, "echo unknown directive: opensesame >&2; exit 3")
			}
			res, err := Scan(t.Context(), Options{Dir: dir, Scrubber: hide("opensesame")})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Findings) != c.findings {
				t.Errorf("findings %+v", res.Findings)
			}
			if !strings.Contains(strings.Join(res.Notes, " "), c.note) {
				t.Errorf("notes %v, want %q", res.Notes, c.note)
			}
			if body, err := json.Marshal(res); err != nil || strings.Contains(string(body), "opensesame") {
				t.Errorf("%v: the password is in %s", err, body)
			}
		})
	}
}

func TestAPlaceThatTwoRulesReportIsListedOnceByTheWorst(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"go.mod": "module x\n", "a.go": "package x\n\nvar a = 1\nvar b = 2\n"})
	issue := func(rule, severity, line string) string {
		return `{"rule_id":"` + rule + `","file":"` + dir + `/a.go","severity":"` + severity + `","confidence":"HIGH","line":"` + line + `"}`
	}
	fake(t, `echo '{"Issues":[`+strings.Join([]string{
		issue("G202", "MEDIUM", "3"), issue("G701", "HIGH", "3"), issue("G202", "MEDIUM", "4"), // SQL, twice in line 3
		issue("G401", "MEDIUM", "4"), issue("G404", "HIGH", "4"), // two weaknesses of one category
	}, ",")+`]}'`)
	res, err := Scan(t.Context(), Options{Dir: dir, Scrubber: hide("-")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range res.Findings {
		got = append(got, fmt.Sprintf("%s:%d", f.RuleID, f.LineStart))
	}
	slices.Sort(got)
	if want := []string{"gosec-g202:4", "gosec-g401:4", "gosec-g404:4", "gosec-g701:3"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestCancellationKillsTheWholeGroup(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	fake(t, "/bin/sleep 600 & echo $! > "+pid+"; wait")
	dir := t.TempDir()
	write(t, dir, map[string]string{"go.mod": "module x\n", "a.go": "package x\n"})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 500 {
			if b, err := os.ReadFile(pid); err == nil && len(b) > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	if _, err := Scan(ctx, Options{Dir: dir, Scrubber: hide("")}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	mustBeGone(t, pid)
}

func mustBeGone(t *testing.T, pidFile string) {
	t.Helper()
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the child still runs")
}

func TestATimeoutKeepsWhatThereIsAndSaysSo(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	fake(t, "/bin/sleep 600 & echo $! > "+pid+"; wait")
	dir := t.TempDir()
	write(t, dir, map[string]string{"go.mod": "module x\n", "a.go": "package x\n", "sub/go.mod": "module y\n"})
	res, err := Scan(t.Context(), Options{Dir: dir, Scrubber: hide(""), Timeout: 300 * time.Millisecond})
	if err != nil || len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "2 of 2 modules") {
		t.Errorf("%+v, %v", res, err)
	}
	mustBeGone(t, pid)
}

// realGosec finds the real program, which test.sh installs.
func realGosec(t *testing.T) {
	t.Helper()
	name := os.Getenv(Env)
	if name == "" {
		name = "gosec"
	}
	if _, err := exec.LookPath(name); err != nil {
		t.Skip("gosec is not installed; test.sh installs it")
	}
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
}

func TestRealGosecOnAReadOnlyWorkspaceWithTwoModulesAndMissingDependencies(t *testing.T) {
	realGosec(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"go.mod":      "module example.com/a\n\ngo 1.22\n\nrequire example.com/missing v1.0.0\n",
		"main.go":     "package main\n\nimport (\n\t\"os\"\n\t\"os/exec\"\n\n\t\"example.com/missing\"\n)\n\nfunc main() {\n\tmissing.Do()\n\t_ = exec.Command(\"sh\", \"-c\", os.Args[1]).Run()\n}\n",
		"b/go.mod":    "module example.com/b\n\ngo 1.22\n",
		"b/b.go":      "package b\n\nimport \"crypto/md5\"\n\n// F hashes.\nfunc F(b []byte) [16]byte { return md5.Sum(b) }\n",
		"b/ok.go":     "package b\n\n// md5.Sum(b) in a comment is nothing.\nconst S = \"md5.Sum(b)\"\n",
		"b/nosec.go":  "package b\n\nimport \"crypto/sha1\" // #nosec G505\n\n// G hashes.\nfunc G(b []byte) [20]byte { return sha1.Sum(b) } // #nosec G401\n",
		".git/config": "[core]\n\tfsmonitor = touch " + filepath.Join(dir, "ran") + "\n",
		"go.work":     "go 1.22\nuse ./nowhere\n",
	})
	readOnly(t, dir)
	t.Setenv("TMPDIR", t.TempDir())
	before := names(t, dir)
	res, err := Scan(t.Context(), Options{Dir: dir, Scrubber: hide("x")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range res.Findings {
		got = append(got, f.RuleID+" "+f.FilePath)
	}
	all := strings.Join(got, ", ")
	for _, want := range []string{"gosec-g204 main.go", "gosec-g401 b/b.go", "gosec-g501 b/b.go"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s not found; found %s; notes %v", want, all, res.Notes)
		}
	}
	if strings.Contains(all, "ok.go") || strings.Contains(all, "nosec.go") {
		t.Errorf("found %s", all)
	}
	if !strings.Contains(strings.Join(res.Notes, " "), "could not fully load") || res.Suppressed == 0 {
		t.Errorf("notes %v, %d suppressed", res.Notes, res.Suppressed)
	}
	if left := names(t, os.TempDir()); strings.Contains(left, "cordon-gosec") {
		t.Errorf("left behind: %s", left)
	}
	if after := names(t, dir); after != before {
		t.Errorf("the workspace was %s and is %s", before, after)
	}
}

// names lists everything below dir.
func names(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		out = append(out, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

// readOnly takes away every right to write, until the test ends.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	chmod := func(f, d fs.FileMode) {
		err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if e.IsDir() {
				return os.Chmod(p, d)
			}
			return os.Chmod(p, f)
		})
		if err != nil {
			t.Error(err)
		}
	}
	chmod(0o444, 0o555)
	t.Cleanup(func() { chmod(0o644, 0o755) })
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"Golang errors":{"a.go":[{"line":1,"error":"x"}]},"Issues":[{"rule_id":"G101","file":"/w/a.go","line":"1-2","severity":"HIGH","confidence":"LOW","cwe":{"id":"798"}}],"Stats":{"files":1,"nosec":2}}`))
	f.Add([]byte(`{"Issues":[{"rule_id":"G999","file":"/w/../x","line":"99999999999999999999"}]}`))
	f.Add([]byte("notice\n{}"))
	tree, err := analyze.OpenTree(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseReport(b)
		if err != nil {
			return
		}
		s := &scan{tree: tree, root: "/w", scrub: hide("x"), sources: make(map[string]*source)}
		for _, is := range r.Issues {
			fd, ok := s.finding(is)
			if !ok {
				continue
			}
			if !filepath.IsLocal(fd.FilePath) || fd.LineStart < 1 || fd.LineEnd < fd.LineStart || !fd.Severity.AtLeast(finding.Info) {
				t.Errorf("%+v out of %q", fd, b)
			}
		}
	})
}

func TestKeyLeavesLiteralsAndFormattingOut(t *testing.T) {
	if a, b := key("x  :=  f(\"secret\", 'c', 3)"), key("x := f(`other`,'d',3) // c"); a != b {
		t.Errorf("%q and %q", a, b)
	}
	if a, b := key("md5.Sum(x)"), key("md5.Sum(y)"); a == b {
		t.Error("different code has the same key")
	}
}
