package storm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write puts t on the disk.
func (t tree) write(tb *testing.T, top string) {
	tb.Helper()
	for name := range t {
		if t[name].kind.IsDir() {
			must(tb, os.MkdirAll(filepath.Join(top, name), 0o755))
		}
	}
	for name, n := range t {
		p := filepath.Join(top, name)
		must(tb, os.MkdirAll(filepath.Dir(p), 0o755))
		switch {
		case n.kind == os.ModeSymlink:
			must(tb, os.Symlink(n.data, p))
		case n.kind == 0:
			must(tb, os.WriteFile(p, []byte(n.data), 0o644))
		}
	}
}

// What the storm sees depends on this.
func TestCompareSeesEveryDifference(t *testing.T) {
	want := smallTree(1)
	for _, c := range []struct {
		name   string
		change func(top string) error
		words  string // "": it is what it should be
		wild   string
	}{
		{"nothing", func(string) error { return nil }, "", ""},
		{"one byte", func(top string) error {
			b, err := os.ReadFile(top + "/data/blob")
			b[len(b)-1] ^= 1
			must(t, err)
			return os.WriteFile(top+"/data/blob", b, 0o644)
		}, `"data/blob"`, ""},
		{"a byte too few", func(top string) error { return os.Truncate(top+"/main.py", 1999) }, `"main.py" is a file of 1999 bytes`, ""},
		{"a file is missing", func(top string) error { return os.Remove(top + "/pkg/a") }, `"pkg/a" is missing`, ""},
		{"an empty directory is missing", func(top string) error { return os.Remove(top + "/empty") }, `"empty" is missing`, ""},
		{"a file too many", func(top string) error { return os.WriteFile(top+"/pkg/x", []byte("run-7 wrote this"), 0o644) }, "run-7", ""},
		{"a link leads elsewhere", func(top string) error {
			must(t, os.Remove(top+"/pkg/link"))
			return os.Symlink("b", top+"/pkg/link")
		}, `a link to "b"`, ""},
		{"all of it is missing", os.RemoveAll, "is missing", ""},
		{"what may be anything", func(top string) error { return os.WriteFile(top+"/pkg/x", nil, 0o644) }, "", "pkg"},
		{"what may be anything may be missing", func(top string) error { return os.RemoveAll(top + "/pkg") }, "", "pkg"},
		{"what is beside it may not", func(top string) error { return os.Remove(top + "/main.py") }, "is missing", "pkg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := filepath.Join(t.TempDir(), "top")
			want.write(t, top)
			must(t, c.change(top))
			wild := map[string]bool{}
			if c.wild != "" {
				wild[c.wild] = true
			}
			_, why := compare(top, want, wild)
			if c.words == "" && why != "" || !strings.Contains(why, c.words) {
				t.Errorf("compare says %q, want %q", why, c.words)
			}
		})
	}
}
