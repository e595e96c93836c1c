package cli

import (
	"archive/tar"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeTar makes a tar archive of entries, whatever they are.
func writeTar(t *testing.T, path string, entries ...tar.Header) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for _, h := range entries {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestInspectSaysWhatWouldBecomeOfAnArchive(t *testing.T) {
	c := newCall(t)
	good, bad := filepath.Join(c.home, "good.tar"), filepath.Join(c.home, "bad.tar")
	writeTar(t, good, tar.Header{Name: "bin/su", Mode: 0o4755}, tar.Header{Name: "venv", Typeflag: tar.TypeSymlink, Linkname: "/usr"})
	writeTar(t, bad, tar.Header{Name: "a"}, tar.Header{Name: "dev/\x1b[31mnull", Typeflag: tar.TypeChar}, tar.Header{Name: "../b"})

	got := c.mustRun(t, "targets", "inspect", good)
	for _, want := range []string{"tar, 2.05 kB: 1 file, 1 folder", "dropped   bin/su: set-user-id", "left out  venv → /usr", "✓ accepted"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("it does not say %q:\n%s", want, got.out)
		}
	}

	got = c.run(t, "targets", "inspect", bad)
	if got.code != ExitFailure || strings.Contains(got.out+got.err, "\x1b[31mnull") {
		t.Errorf("exit code %d, %q", got.code, got.out+got.err)
	}
	for _, want := range []string{"character device", `"../b"`, "ArchiveRejected"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("it does not say %q:\n%s", want, got.out)
		}
	}
	var found inspected
	if err := json.Unmarshal([]byte(c.run(t, "targets", "inspect", bad, "--json").out), &found); err != nil {
		t.Fatal(err)
	}
	if found.Accepted || found.Kind != "ArchiveRejected" || found.RefusedCount != 2 || found.Files != 1 || found.Size == 0 {
		t.Errorf("the JSON says %+v", found)
	}
	// What is not to be extracted is fine as it is.
	if got := c.mustRun(t, "targets", "inspect", bad, "--extract", "never"); !strings.Contains(got.out, "used as the file that it is") {
		t.Error(got.out)
	}
}

func TestInspectOfWhatIsNoFile(t *testing.T) {
	c := newCall(t)
	if got := c.run(t, "targets", "inspect", filepath.Join(c.home, "nowhere")); got.code != ExitNotFound {
		t.Errorf("exit code %d, %s", got.code, got.err)
	}
	if got := c.run(t, "targets", "inspect", c.home); got.code != ExitFailure || !strings.Contains(got.err, "targets put") {
		t.Errorf("exit code %d, %s", got.code, got.err)
	}
	if got := c.run(t, "targets", "inspect", c.home, "--extract", "always"); got.code != ExitUsage {
		t.Errorf("exit code %d, %s", got.code, got.err)
	}
}
