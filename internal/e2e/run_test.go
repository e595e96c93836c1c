package e2e

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestAFolderGoesInAndFindingsComeOut(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	project := u.plant(t)
	sarif := filepath.Join(u.home, "out.sarif")
	first := u.must(t, 0, "run", "security_assessment", project, "--data", u.data(), "--json", "--sarif", sarif)
	var r result
	decode(t, first.out, &r)

	if r.Status != "completed" {
		t.Errorf("status %q\n%s", r.Status, first.err)
	}
	for rule, place := range map[string]string{"py-os-system": "app/handlers.py:6", "py-pickle": "app/handlers.py:10"} {
		file, _, _ := strings.Cut(place, ":")
		f, ok := r.at(rule, file)
		if !ok || !strings.HasSuffix(place, ":"+strconv.Itoa(f.LineStart)) {
			t.Errorf("%s at %s is missing; found %+v", rule, place, r.Findings)
		}
	}
	for _, f := range r.Findings {
		if f.FilePath == "app/clean.py" {
			t.Errorf("there is nothing in clean.py: %+v", f)
		}
	}
	if r.Summary.Total != len(r.Findings) || r.Summary.Workspace.Hit || r.Summary.Workspace.Mode != "shared" {
		t.Errorf("summary %+v for %d findings", r.Summary, len(r.Findings))
	}
	if want := filepath.Join(u.data(), "cache", r.TargetID, "workspace"); r.Summary.Workspace.Path != want {
		t.Errorf("the workspace was %s, want %s", r.Summary.Workspace.Path, want)
	}
	if !strings.Contains(first.err, "downloaded ") || !strings.Contains(first.err, r.ResultsURL) {
		t.Errorf("it does not say what was downloaded and where the results are:\n%s", first.err)
	}
	stored, err := os.ReadFile(strings.TrimPrefix(r.ResultsURL, "file://"))
	if err != nil {
		t.Fatal(err)
	}
	var kept result
	decode(t, string(stored), &kept)
	if kept.WorkflowID != r.WorkflowID || len(kept.Findings) != len(r.Findings) {
		t.Errorf("the stored result is another: %d findings", len(kept.Findings))
	}

	text, err := os.ReadFile(sarif)
	if err != nil {
		t.Fatal(err)
	}
	var log struct {
		Version string `json:"version"`
		Runs    []struct {
			Results []any `json:"results"`
		} `json:"runs"`
	}
	decode(t, string(text), &log)
	if log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) != len(r.Findings) {
		t.Errorf("the SARIF file is not of this run: %.300s", text)
	}

	// The second run finds the same in the cache.
	second := u.must(t, 0, "run", "security_assessment", project, "--data", u.data())
	for _, want := range []string{"already stored, nothing to upload", "cache hit: nothing downloaded"} {
		if !strings.Contains(second.err, want) {
			t.Errorf("the second run does not say %q:\n%s", want, second.err)
		}
	}
	if !strings.Contains(second.out, "app/handlers.py:6") || strings.ContainsAny(second.String(), "\x1b\r") {
		t.Errorf("the table lacks a place, or has colours where no terminal is:\n%s", second.out)
	}

	// A stored target needs no folder.
	byID := u.must(t, 0, "run", "security_assessment", r.TargetID, "--data", u.data(), "--json", "--baseline", sarif)
	var again result
	decode(t, byID.out, &again)
	if len(again.Findings) != 0 || again.Summary.Total != 0 || again.Summary.Known != len(r.Findings) {
		t.Errorf("against its own SARIF file as baseline there are %d findings, %d known", len(again.Findings), again.Summary.Known)
	}
	for _, run := range again.SARIF.Runs {
		if len(run.Results) != 0 {
			t.Errorf("the SARIF log has %d results that are known", len(run.Results))
		}
	}
}

func TestSecretsAreFoundAndNeverShown(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	project := u.plant(t)
	sarif := filepath.Join(u.home, "out.sarif")
	got := u.must(t, 6, "run", "secret_detection", project, "--data", u.data(), "--json", "--fail-on", "high", "--sarif", sarif,
		"-p", "redact=false", "-p", "no_git=true")
	var r result
	decode(t, got.out, &r)
	if f, ok := r.at("secret-aws-access-token", "conf/deploy.sh"); !ok || f.LineStart != 1 {
		t.Errorf("the access key is not found: %+v", r.Findings)
	}
	if !strings.Contains(got.err, "--fail-on") {
		t.Errorf("it does not say why it failed:\n%s", got.err)
	}
	text, err := os.ReadFile(sarif)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(strings.TrimPrefix(r.ResultsURL, "file://"))
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"standard output": got.out, "standard error": got.err, "the SARIF file": string(text), "the stored result": string(stored)} {
		if strings.Contains(text, secret) || strings.Contains(text, secret[:12]) {
			t.Errorf("%s shows the secret", what)
		}
	}
	u.must(t, 0, "run", "secret_detection", project, "--data", u.data(), "--fail-on", "critical", "--baseline", sarif)
}

func TestAFileAndAnArchiveAreTargetsToo(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	file := u.file(t, "deploy.sh", []byte(planted["conf/deploy.sh"]))
	got := u.must(t, 6, "run", "secret_detection", file, "--data", u.data(), "--fail-on", "info")
	if !strings.Contains(got.out, "target:1") || !strings.Contains(got.err, "without its name") {
		t.Errorf("a file:\n%s", got)
	}
	tgz := u.file(t, "a.tar.gz", archive(t, tar.Header{Name: "top/vault.kdbx", Mode: 0o644}))
	got = u.must(t, 0, "run", "security_assessment", tgz, "--data", u.data())
	if !strings.Contains(got.out, "top/vault.kdbx") || strings.Contains(got.err, "without its name") {
		t.Errorf("an archive:\n%s", got)
	}
}

func TestCtrlCCancelsTheRunAndCleansUp(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	project := filepath.Join(u.home, "project")
	line := strings.Repeat("value = compute(other, 12345) # nothing here\n", 2000)
	for i := range 600 { // enough for a scan of some seconds
		writeFile(t, filepath.Join(project, "f"+strconv.Itoa(i)+".py"), "# "+strconv.Itoa(i)+"\n"+line)
	}
	s, _ := u.startExpecting(t, 130, "run", "secret_detection", project, "--data", u.data(), "--isolation", "isolated")
	s.waitLog(t, "step     2 of")
	begun := time.Now()
	if code := s.stop(t); code != 130 {
		t.Errorf("exit code %d\n%s", code, s.log())
	}
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(s.log(), "interrupted: cancelling the run") {
		t.Errorf("it does not say what it does:\n%s", s.log())
	}
	u.nothingLeft(t)
}

// nothingLeft checks that no run has a directory in the cache, and that nothing
// half-made is there or in the store.
func (u user) nothingLeft(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{
		"cache/*/*/workspace", "cache/.cordon/staging/*", "cache/.cordon/trash/*", "cache/.cordon/reservations/*", "cache/.cordon/holds/*/*",
		"store/targets/*/.put-*", "store/results/*/.put-*",
	} {
		left, err := filepath.Glob(filepath.Join(u.data(), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range left {
			if !strings.Contains(name, "/shared/workspace") {
				t.Errorf("left behind: %s", name)
			}
		}
	}
}
