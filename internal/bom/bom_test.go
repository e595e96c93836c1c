package bom_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/bom"
)

var program = &debug.BuildInfo{
	GoVersion: "go1.26.8 X:none",
	Path:      "github.com/cordonlabs/cordon/cmd/cordon-worker",
	Main:      debug.Module{Path: "github.com/cordonlabs/cordon", Version: "v0.0.0-2026"},
	Deps: []*debug.Module{
		{Path: "example.com/z", Version: "v2.0.0+incompatible", Sum: "h1:z"},
		{Path: "example.com/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/new", Version: "v1.1.0", Sum: "h1:n"}},
	},
	Settings: []debug.BuildSetting{{Key: "GOARCH", Value: "arm64"}, {Key: "vcs.revision", Value: "abc"}, {Key: "-ldflags", Value: "-s"}},
}

func TestABillListsWhatIsInTheProgram(t *testing.T) {
	when := time.Unix(1700000000, 0)
	text, err := bom.Of(program, "v1.2.3", "d1ge57", when).JSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := bom.Of(program, "v1.2.3", "d1ge57", when).JSON()
	if err != nil || !bytes.Equal(text, again) {
		t.Error("the same program has another bill the second time")
	}
	var d bom.Document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	var refs []string
	for _, c := range d.Components {
		refs = append(refs, c.PURL)
	}
	if got, want := strings.Join(refs, " "), "pkg:golang/example.com/new@v1.1.0 pkg:golang/example.com/z@v2.0.0%2Bincompatible pkg:golang/stdlib@1.26.8"; got != want {
		t.Errorf("components %s, want %s", got, want)
	}
	if len(d.Dependencies) != 1 || strings.Join(d.Dependencies[0].DependsOn, " ") != strings.Join(refs, " ") || d.Dependencies[0].Ref != d.Metadata.Component.Ref {
		t.Errorf("dependencies %+v", d.Dependencies)
	}
	m := d.Metadata.Component
	if m.Name != "cordon-worker" || m.Version != "v1.2.3" || m.Hashes[0].Content != "d1ge57" || len(m.Properties) != 2 || d.Metadata.Timestamp != "2023-11-14T22:13:20Z" {
		t.Errorf("%+v", d.Metadata)
	}
	// As the schema of CycloneDX 1.6 has it; deploy/check holds a bill against all of it.
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(d.SerialNumber) {
		t.Errorf("serial number %s", d.SerialNumber)
	}
	if other := bom.Of(program, "v1.2.3", "0ther", when); other.SerialNumber == d.SerialNumber {
		t.Error("another program has the same serial number")
	}
}

func TestLicencesArePassedOn(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a/LICENSE": "be kind\r\n", "a/NOTICE.txt": "by A", "a/license.go": "package a", "a/README.md": "words",
		"b/COPYING": "copy it", "c/main.go": "package c",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := bom.Licences(&out, map[string]string{"b@v2": filepath.Join(dir, "b"), "a@v1": filepath.Join(dir, "a"), "c@v3": filepath.Join(dir, "c")}); err != nil {
		t.Fatal(err)
	}
	const want = "==== a@v1: LICENSE\n\nbe kind\n\n==== a@v1: NOTICE.txt\n\nby A\n\n==== b@v2: COPYING\n\ncopy it\n\n==== c@v3: no file of its own; its repository has it\n\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
	if err := bom.Licences(&out, map[string]string{"d@v4": filepath.Join(dir, "d")}); err == nil {
		t.Error("a module that is not there was passed over")
	}
}
