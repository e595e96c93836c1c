package gofuzz

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
)

// What a module needs of others is taken from its vendor directory, without a network; and a
// project that lacks something is told what.
func TestModules(t *testing.T) {
	p := shared(t)
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(p.dir, "needs", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	defer os.RemoveAll(filepath.Join(p.dir, "needs"))
	write("go.mod", "module example.com/needs\n\ngo 1.21\n\nrequire example.com/other v1.0.0\n")
	write("needs_test.go", "package needs\n\nimport (\n\t\"testing\"\n\n\t\"example.com/other\"\n)\n\n"+
		"func FuzzNeeds(f *testing.F) {\n\tf.Fuzz(func(t *testing.T, s string) { other.Do(s) })\n}\n")
	if fetch, err := needsModules(p.dir, filepath.Join(p.dir, "needs")); err != nil || !fetch {
		t.Errorf("it needs modules: %v, %v", fetch, err)
	}
	write("vendor/modules.txt", "# example.com/other v1.0.0\n## explicit; go 1.21\nexample.com/other\n")
	write("vendor/example.com/other/other.go", "package other\n\nfunc Do(s string) {}\n")
	if fetch, err := needsModules(p.dir, filepath.Join(p.dir, "needs")); err != nil || fetch {
		t.Errorf("with a vendor directory it needs modules: %v, %v", fetch, err)
	}
	if _, err := p.build(t, "needs", "FuzzNeeds", ""); err != nil {
		t.Errorf("with a vendor directory: %v", err)
	}
	write("vendor/modules.txt", "")
	_, err := p.build(t, "needs", "FuzzNeeds", "")
	if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "example.com/other") {
		t.Errorf("with an incomplete vendor directory: %v", err)
	}
	if _, err := needsModules(p.dir, filepath.Join(p.dir, "nowhere")); err == nil {
		t.Error("a directory that is not there has a module")
	}
}
