package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/internal/dev"
	"github.com/cordonlabs/cordon/internal/doctor"
)

// sound returns a call in a place that fails no check.
func sound(t *testing.T) *call {
	c := newCall(t)
	store := filepath.Join(c.data(), "store")
	if err := os.MkdirAll(store, 0o755); err != nil {
		t.Fatal(err)
	}
	c.env["CACHE_DIR"], c.env["CORDON_STORE"], c.env["CACHE_MAX_SIZE"] = filepath.Join(c.data(), "cache"), store, "1MB"
	return c
}

// doctorLine is a mark, a name and what was found, in columns.
var doctorLine = regexp.MustCompile(`^[✓!✗] [A-Za-z][A-Za-z -]{14,}  \S.*$`)

func TestDoctorPrintsALineForEachCheck(t *testing.T) {
	c := sound(t)
	got := c.mustRun(t, "doctor")
	lines := strings.Split(strings.TrimSuffix(got.out, "\n"), "\n")
	if len(lines) < 20 {
		t.Errorf("there are %d lines:\n%s", len(lines), got.out)
	}
	for _, line := range lines {
		if !doctorLine.MatchString(line) {
			t.Errorf("%q is not a mark, a name and a finding", line)
		}
	}
	if !strings.HasPrefix(lines[0], "✓ cache directory  "+c.env["CACHE_DIR"]) {
		t.Errorf("the first line is %q", lines[0])
	}
	if got.err != "" || strings.Contains(got.out, "\x1b") {
		t.Errorf("standard error says %q, and standard output\n%q", got.err, got.out)
	}
	if _, err := os.Stat(c.env["CACHE_DIR"]); err == nil {
		t.Error("looking has made a cache")
	}
}

func TestDoctorFailsWhereSomethingWillNotWork(t *testing.T) {
	c := sound(t)
	file := filepath.Join(c.home, "file")
	writeFile(t, file, "")
	c.env["CORDON_STORE"], c.env["CORDON_GOSEC"] = file, "/no/such/gosec"
	got := c.run(t, "doctor", "--address", "127.0.0.1:1")
	if got.code != ExitFailure {
		t.Errorf("exit code %d, want %d", got.code, ExitFailure)
	}
	for _, want := range []string{"✗ object store", file + "\": it is not a directory; name a directory", "✗ gosec", "✗ Temporal", "127.0.0.1:1: dial tcp", "CORDON_GOSEC names \"/no/such/gosec\", which cannot be run: no such file", "connection refused; start the server", "✓ locks"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q is missing in\n%s", want, got.out)
		}
	}
	if got.err != "cordon: 3 checks of 23 failed: object store, Temporal, gosec\n" {
		t.Errorf("standard error says %q", got.err)
	}
}

func TestDoctorAnswersInJSON(t *testing.T) {
	c := sound(t)
	var sane, ill doctor.Report
	decode(t, c.mustRun(t, "doctor", "--json").out, &sane)
	if !sane.OK || len(sane.Failed()) != 0 || len(sane.Checks) < 23 {
		t.Errorf("got %+v", sane)
	}
	c.env["S3_ENDPOINT"], c.env["S3_ACCESS_KEY"], c.env["S3_SECRET_KEY"] = "http://127.0.0.1:1", "AKIDEADBEEF", "hunter2hunter2"
	c.env["TEMPORAL_API_KEY"] = "hunter2hunter2"
	got := c.run(t, "doctor", "--json")
	decode(t, got.out, &ill)
	if got.code != ExitFailure || ill.OK || strings.Join(ill.Failed(), ",") != "object store" {
		t.Errorf("exit code %d, ok %v, failed %v", got.code, ill.OK, ill.Failed())
	}
	if all := got.out + got.err; strings.Contains(all, "DEADBEEF") || strings.Contains(all, "hunter2") {
		t.Errorf("a credential is printed:\n%s", all)
	}
	for i, c := range ill.Checks {
		if c.Name != sane.Checks[i].Name {
			t.Errorf("check %d is %q once and %q then", i, sane.Checks[i].Name, c.Name)
		}
	}
}

func TestDoctorLooksWhereTheFlagsSay(t *testing.T) {
	c := newCall(t)
	got := c.run(t, "doctor", "--data", c.data())
	if want := filepath.Join(c.data(), "cache") + " is not there yet"; !strings.Contains(got.out, want) {
		t.Errorf("%q is missing in\n%s", want, got.out)
	}
	if want := "! object store     the directory " + filepath.Join(c.data(), "store") + " is not there yet"; !strings.Contains(got.out, want) {
		t.Errorf("%q is missing in\n%s", want, got.out)
	}
}

func TestDoctorsLinesStayLines(t *testing.T) {
	c := sound(t)
	c.env["CACHE_DIR"] = filepath.Join(c.home, "a\x1b[2J\nb")
	got := c.run(t, "doctor")
	if strings.Contains(got.out, "\x1b") || !strings.Contains(got.out, `a\x1b[2J`) {
		t.Errorf("a name acts on the terminal: %q", got.out)
	}
	for _, line := range strings.Split(strings.TrimSuffix(got.out, "\n"), "\n") {
		if !doctorLine.MatchString(line) {
			t.Errorf("%q is not a mark, a name and a finding", line)
		}
	}
}

func TestDoctorKnowsARealTemporal(t *testing.T) {
	server, err := dev.Start(t.Context(), dev.Options{UIPort: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Stop() }() // it ends with the test binary
	c := sound(t)
	got := c.mustRun(t, "doctor", "--address", server.Address())
	if !regexp.MustCompile(`(?m)^✓ Temporal +` + server.Address() + ` answers in \S+: server 1\.\S+, namespace "default"$`).MatchString(got.out) {
		t.Errorf("got\n%s", got.out)
	}
	got = c.run(t, "doctor", "--address", server.Address(), "--namespace", "mine")
	if got.code != ExitFailure || !strings.Contains(got.out, `has no namespace "mine"; create the namespace`) {
		t.Errorf("exit code %d\n%s", got.code, got.out)
	}
}

func TestDoctorOfARequiredDriver(t *testing.T) {
	c := sound(t)
	c.env["CACHE_COW_DRIVER"] = "copy!"
	if got := c.mustRun(t, "doctor"); !strings.Contains(got.out, "✓ copy-on-write    copy (CACHE_COW_DRIVER=copy!)\n") {
		t.Errorf("got\n%s", got.out)
	}
	c.env["CACHE_COW_DRIVER"] = "hardlink"
	if got := c.run(t, "doctor"); got.code != ExitUsage || !strings.Contains(got.err, `CACHE_COW_DRIVER`) || !strings.Contains(got.err, "overlay, snapshot, reflink, copy") {
		t.Errorf("exit code %d: %s", got.code, got.err)
	}
}
