package cli

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// entriesOf lists a tar archive: names to content, of links to their targets.
func entriesOf(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	out := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(b) + h.Linkname
	}
}

// All that a run left is in the archive, and what would hang or lead a reader
// elsewhere is not followed.
func TestARunsWholeTreeIsExported(t *testing.T) {
	c := newCall(t)
	project := filepath.Join(c.home, "project")
	if err := os.MkdirAll(filepath.Join(project, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(project, "main.py"), []byte("print(1)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSpace(c.mustRun(t, "targets", "put", project, "--data", c.data()).out)
	path := strings.TrimSpace(c.mustRun(t, "get", id, "--run", "night-7", "--data", c.data()).out)
	for name, text := range map[string]string{"crash-1": "boom", ".hidden": "x"} {
		if err := os.WriteFile(filepath.Join(path, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("/etc/passwd", filepath.Join(path, "link")), unix.Mkfifo(filepath.Join(path, "fifo"), 0o600)); err != nil {
		t.Skipf("links and FIFOs cannot be made here: %v", err)
	}
	want := map[string]string{"main.py": "print(1)\n", "empty/": "", "crash-1": "boom", ".hidden": "x", "link": "/etc/passwd"}
	check := func(what string, r io.Reader) {
		t.Helper()
		got := entriesOf(t, r)
		for name, text := range want {
			if got[name] != text {
				t.Errorf("%s: %s is %q, want %q", what, name, got[name], text)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s holds %v", what, got)
		}
	}
	for _, run := range []string{"night-7", path} {
		file := filepath.Join(c.home, "out.tar")
		var sum exported
		if err := json.Unmarshal([]byte(c.mustRun(t, "workspace", "export", run, file, "--data", c.data(), "--json").out), &sum); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		check(run, f)
		if info, err := f.Stat(); err != nil || sum.Files != 3 || sum.Skipped != 1 || sum.Links != 1 || sum.Run != "night-7" || sum.Written != info.Size() {
			t.Errorf("it says %+v", sum)
		}
		f.Close()
	}
	check("standard output", strings.NewReader(c.mustRun(t, "workspace", "export", "night-7", "-", "--data", c.data()).out))
	for ending, program := range map[string]string{".tar.gz": "gzip", ".tar.zst": "zstd"} {
		file := filepath.Join(c.home, "out"+ending)
		said := c.mustRun(t, "workspace", "export", "night-7", file, "--data", c.data()).err
		if !strings.Contains(said, "3 files") || !strings.Contains(said, "1 thing was left out") {
			t.Errorf("it says %s", said)
		}
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("%s is not installed", program)
			continue
		}
		out, err := exec.Command(program, "-dc", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		check(file, bytes.NewReader(out))
	}
	for what, wrong := range map[string]struct {
		args []string
		code int
	}{
		"a run that is not there":  {[]string{"night-8", "x.tar"}, ExitNotFound},
		"a kind that is none":      {[]string{"night-7", "x.rar"}, ExitUsage},
		"JSON and an archive":      {[]string{"night-7", "-", "--json"}, ExitUsage},
		"a folder that is missing": {[]string{"night-7", filepath.Join(c.home, "no", "x.tar")}, ExitUsage},
	} {
		if got := c.run(t, append(append([]string{"workspace", "export"}, wrong.args...), "--data", c.data())...); got.code != wrong.code {
			t.Errorf("%s: exit code %d, want %d: %s", what, got.code, wrong.code, got.err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(c.home, ".out*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
