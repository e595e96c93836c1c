package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// written are the pages that 'cordon man' writes.
func written(t *testing.T) (pages []string) {
	t.Helper()
	c := newCall(t)
	c.env["SOURCE_DATE_EPOCH"] = "1700000000"
	c.mustRun(t, "man", c.home)
	pages, err := filepath.Glob(filepath.Join(c.home, "*.1"))
	if err != nil || len(pages) < 40 {
		t.Fatalf("there are %d pages (%v)", len(pages), err)
	}
	return pages
}

func TestTheManualIsCorrectForItsFormatters(t *testing.T) {
	pages := written(t)
	tried := false
	for _, check := range [][]string{{"mandoc", "-Tlint", "-Wwarning"}, {"man", "--warnings=w", "-l", "-Tutf8", "-Z"}} {
		program, err := exec.LookPath(check[0])
		if err != nil {
			continue
		}
		tried = true
		for _, page := range pages {
			cmd := exec.Command(program, append(check[1:], page)...)
			cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
			var said bytes.Buffer
			if cmd.Stderr = &said; check[0] == "mandoc" {
				cmd.Stdout = &said // it prints what it warns of
			}
			if err := cmd.Run(); err != nil || said.Len() > 0 {
				t.Errorf("%s of %s: %v\n%s", check[0], filepath.Base(page), err, &said)
			}
		}
	}
	if !tried {
		t.Skip("this machine has neither mandoc nor man")
	}
}

// What people read, and copy, is what was written in the command.
func TestAPageHasWhatTheHelpHas(t *testing.T) {
	program, err := exec.LookPath("man")
	if err != nil {
		t.Skip("this machine has no man")
	}
	var page string
	for _, p := range written(t) {
		if filepath.Base(p) == "cordon-config-show.1" {
			page = p
		}
	}
	cmd := exec.Command(program, "-l", page)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=120", "MAN_KEEP_FORMATTING=", "PAGER=cat")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2023-11-14", "cordon-config-show - Show every setting", "--cache-dir DIR", "EXIT STATUS", "cordon-config(1)",
		`cordon config show --json | jq -r '.[] | select(.origin != "default") | .name'`, "--data ~/.cache/cordon",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the page has no %q:\n%s", want, out)
		}
	}
}
