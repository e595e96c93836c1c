package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ignored returns whether a file, named from the repository's root, stays out of what the
// image is built from. It knows the patterns that the file has: names at the root, and **/ before a
// name, which is one anywhere.
func ignored(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		pattern := strings.TrimSpace(line)
		if pattern == "" || pattern[0] == '#' {
			continue
		}
		name, anywhere := strings.CutPrefix(pattern, "**/")
		if strings.ContainsAny(name, "*?[!/") {
			t.Fatalf("a pattern that this test does not know: %q", pattern)
		}
		parts := strings.Split(file, "/")
		if !anywhere {
			parts = parts[:1]
		}
		for _, part := range parts {
			if part == name {
				return true
			}
		}
	}
	return false
}

// A layer with keys in it is in the build's cache, and wherever that is sent.
func TestKeysAreNoPartOfTheImage(t *testing.T) {
	for _, file := range []string{".env", "deploy/compose/.env", "deploy/compose/cordon.env", "cordon.env"} {
		if !ignored(t, file) {
			t.Errorf("%s is copied into a layer", file)
		}
	}
}

func TestTheImageIsBuiltFromAllThatItsProgramsNeed(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("go", "list", "-deps", "-f", "{{if and .Module .Module.Main}}{{range .GoFiles}}{{$.Dir}}/{{.}}\n{{end}}{{range .EmbedFiles}}{{$.Dir}}/{{.}}\n{{end}}{{end}}", "./cmd/cordon", "./cmd/cordon-worker")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(out))
	if len(files) < 100 {
		t.Fatalf("the programs are made of %d files", len(files))
	}
	for _, f := range append(files, root+"/go.mod", root+"/go.sum") {
		if file := strings.TrimPrefix(f, root+"/"); ignored(t, file) {
			t.Errorf("%s is missing in the image's build", file)
		}
	}
}
