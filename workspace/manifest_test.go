package workspace

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzManifest reads what could be anything as a manifest: it must neither fail
// hard nor take what is damaged for a match.
func FuzzManifest(f *testing.F) {
	dir := f.TempDir()
	for _, name := range []string{"tree/a", "tree/d/b"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		f.Fatal(err)
	}
	m, err := survey(f.Context(), root, "tree", false)
	if err != nil {
		f.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, manifestsDir), 0o755); err != nil {
		f.Fatal(err)
	}
	if err := m.save(root, "x"); err != nil {
		f.Fatal(err)
	}
	good, err := root.ReadFile(manifestFile("x"))
	if err != nil {
		f.Fatal(err)
	}
	if len(m.paths) != len("ad"+"d/b") || m.n != 3 {
		f.Fatalf("surveyed %d entries with paths %q", m.n, m.paths)
	}
	tree, err := openTree(root, "tree")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(nil))
	f.Add(good[:len(good)-1])
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 0x80
		f.Add(bad)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		why, err := compare(t.Context(), bytes.NewReader(b), int(tree.Fd()), 0)
		same := bytes.HasPrefix(b, good)
		if (why == "" && err == nil) != same && !empty(b, good) {
			t.Errorf("compare says %q, %v of what is the same: %v", why, err, same)
		}
	})
}

// empty reports whether b is the manifest of fewer entries: what it says of the
// others cannot be known from it.
func empty(b, good []byte) bool {
	const count = len(manifestMagic)
	return len(b) >= manifestHeader && bytes.Equal(b[:count], good[:count]) && !bytes.Equal(b[count:manifestHeader], good[count:manifestHeader])
}
