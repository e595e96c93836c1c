package check

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// bill has the release's own tool make the bill of a program that is to be released.
func bill(t *testing.T) []byte {
	t.Helper()
	built := func(path, source string) string {
		build := exec.Command("go", "build", "-o", path, source)
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return path
	}
	program := os.Getenv("CORDON_TEST_BINARY")
	if program == "" {
		program = built(filepath.Join(t.TempDir(), "cordon-worker"), "./cmd/cordon-worker")
	}
	bill := exec.Command(built(filepath.Join(t.TempDir(), "release"), "./deploy/release"), "bom", "v1.2.3+x", program)
	bill.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	text, err := bill.Output()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// schema is CycloneDX's own, which its library for Go is tested with.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	const at = "http://cyclonedx.org/schema/"
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for name, file := range map[string]string{"bom-1.6.schema.json": "", "spdx.schema.json": "", "jsf-0.82.schema.json": "jsf-0.82.schemax.json"} {
		if file == "" {
			file = name
		}
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(at+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile(at + "bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestABillOfMaterialsIsCycloneDX(t *testing.T) {
	text, schema := bill(t), schema(t)
	valid := func(text []byte) error {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(doc)
	}
	if err := valid(text); err != nil {
		t.Errorf("%#v", err)
	}
	for what, wrong := range map[string][2]string{
		"a kind that there is none of":  {`"library"`, `"module"`},
		"a field that there is none of": {`"purl"`, `"url"`},
		"a digest that is none":         {`"content": "`, `"content": "x`},
		"a date that is none":           {"2023-11-14T", "2023-14-11T"},
	} {
		if valid(bytes.Replace(text, []byte(wrong[0]), []byte(wrong[1]), 1)) == nil {
			t.Errorf("the schema accepts %s: the test looks at the wrong thing", what)
		}
	}

	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if bom.SpecVersion != cdx.SpecVersion1_6 || bom.Metadata.Component.Version != "v1.2.3+x" || len(*bom.Components) < 50 {
		t.Errorf("CycloneDX's library reads version %s, %+v, %d components", bom.SpecVersion, bom.Metadata.Component, len(*bom.Components))
	}
	// No schema can say this.
	known := map[string]bool{bom.Metadata.Component.BOMRef: true}
	for _, c := range *bom.Components {
		if known[c.BOMRef] {
			t.Errorf("two components are %s", c.BOMRef)
		}
		known[c.BOMRef] = true
	}
	for _, d := range *bom.Dependencies {
		for _, ref := range append([]string{d.Ref}, *d.Dependencies...) {
			if !known[ref] {
				t.Errorf("a dependency on %s, which is not there", ref)
			}
		}
	}
}
