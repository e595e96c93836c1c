package metadata_test

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
)

const fuzzing = `# a fuzzing workflow
name: atheris_fuzzing
version: 1.0
vertical: python
description: |
  Fuzzes Python code with Atheris.
author: Cordon
tags: [fuzzing, python]

# each run has its own workspace
workspace_isolation: "isolated"

parameters:
  type: object
  required: [target_file]
  properties:
    target_file:
      type: string
      description: where to look
    max_iterations:
      type: integer
      default: 1000000
      minimum: 1
    timeout_seconds:
      type: integer
    strategy:
      type: string
      enum: [fast, thorough]
      default: fast

default_parameters:
  timeout_seconds: 1800

output_schema:
  type: object
extract: tar
keep_on_failure: true
workspace_max_size: 20GB
`

func parse(t *testing.T, text string) metadata.Workflow {
	t.Helper()
	w, _, err := metadata.Parse("workflows/atheris_fuzzing/metadata.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestParseReadsEveryField(t *testing.T) {
	w, warnings, err := metadata.Parse("workflows/atheris_fuzzing/metadata.yaml", []byte(fuzzing))
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 0 {
		t.Errorf("warnings: %v", warnings)
	}
	var names []string
	for _, p := range w.Parameters {
		names = append(names, p.Name)
	}
	if want := []string{"target_file", "max_iterations", "timeout_seconds", "strategy"}; !slices.Equal(names, want) {
		t.Errorf("the parameters' order is %v, not the file's, %v", names, want)
	}
	w.Parameters = nil
	want := metadata.Workflow{
		Name: "atheris_fuzzing", Version: "1.0", Vertical: "python", Description: "Fuzzes Python code with Atheris.",
		Author: "Cordon", Tags: []string{"fuzzing", "python"}, Isolation: cordon.Isolated, IsolationSet: true,
		DefaultParameters: map[string]any{"timeout_seconds": int64(1800)}, OutputSchema: map[string]any{"type": "object"},
		Class: "AtherisFuzzingWorkflow", Extract: metadata.ExtractTar, KeepOnFailure: true,
		WorkspaceMaxSize: cordon.BytesOf(20 * cordon.GB),
		File:             "workflows/atheris_fuzzing/metadata.yaml",
	}
	if !reflect.DeepEqual(w, want) {
		t.Errorf("got  %+v\nwant %+v", w, want)
	}
}

func TestASizeIsReadAsCacheMaxSizeIs(t *testing.T) {
	for text, want := range map[string]string{"10": "10.0 GB", "1.5": "1.50 GB", "500MB": "500 MB", "'20%'": "20%", "20%": "20%", "": "0 B"} {
		if got := parse(t, "name: x\nvertical: y\nworkspace_max_size: "+text+"\n").WorkspaceMaxSize.String(); got != want {
			t.Errorf("%q is read as %s, want %s", text, got, want)
		}
	}
}

func TestParseFillsInDefaults(t *testing.T) {
	w, warnings, err := metadata.Parse("/srv/wf/my_new-scan/metadata.yaml", []byte("name: scan\n"))
	if err != nil {
		t.Fatal(err)
	}
	if w.Isolation != cordon.Isolated || w.IsolationSet || w.Mode() != "" {
		t.Errorf("the mode is %q (set: %t)", w.Isolation, w.IsolationSet)
	}
	if w.Class != "MyNewScanWorkflow" {
		t.Errorf("the class is %q", w.Class)
	}
	if w.Extract != metadata.ExtractAuto || w.KeepOnFailure || !w.WorkspaceMaxSize.IsZero() {
		t.Errorf("extract is %q, keep_on_failure %t, workspace_max_size %v", w.Extract, w.KeepOnFailure, w.WorkspaceMaxSize)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0].String(), "WORKER_VERTICAL") {
		t.Errorf("a missing vertical warns %v", warnings)
	}
	if w.VerticalOr("rust") != "rust" {
		t.Errorf("the vertical is %q", w.VerticalOr("rust"))
	}
}

func TestParseAcceptsWhatEditorsLeaveBehind(t *testing.T) {
	plain := "name: scan\nvertical: python\nworkspace_isolation: shared\n"
	for name, text := range map[string]string{
		"a byte order mark":       "\ufeff" + plain,
		"CRLF line ends":          strings.ReplaceAll(plain, "\n", "\r\n"),
		"no newline at the end":   strings.TrimSuffix(plain, "\n"),
		"a document start":        "---\n" + plain,
		"a document end":          plain + "...\n",
		"comments and blank tail": "# c\n" + plain + "\n\n# end\n",
	} {
		t.Run(name, func(t *testing.T) {
			if w := parse(t, text); w.Name != "scan" || w.Isolation != cordon.Shared {
				t.Errorf("got %+v", w)
			}
		})
	}
}

func TestParseSaysWhereAndWhatIsWrong(t *testing.T) {
	const head = "name: x\nvertical: y\n"
	for name, c := range map[string]struct{ text, place, says string }{
		"a mode that is none":         {head + "workspace_isolation: \"sharde\"\n", "f.yaml:3:22", `"sharde", which is not a mode; use isolated, shared or copy-on-write`},
		"an empty mode":               {head + "workspace_isolation: \"\"\n", "f.yaml:3:22", "use isolated, shared or copy-on-write"},
		"a mode that is a list":       {head + "workspace_isolation: [shared]\n", "f.yaml:3:22", "is a list"},
		"a missing name":              {"vertical: y\n", "f.yaml:1:1", `name is missing; add "name: my_workflow"`},
		"an empty name":               {"name:\nvertical: y\n", "f.yaml:1", "name is empty"},
		"a name with a separator":     {"name: ../x\n", "f.yaml:1:7", "letters, digits"},
		"a number as the name":        {"name: 12\n", "f.yaml:1:7", "must be text, not a number; put it in quotes"},
		"a duplicated key":            {head + "vertical: z\n", "f.yaml:3:1", `"vertical" is given twice, first in line 2`},
		"a duplicated parameter":      {head + "parameters:\n  properties:\n    a: {}\n    a: {}\n", "f.yaml:6:5", `"a" is given twice`},
		"a duplicate inside a schema": {head + "output_schema:\n  a: 1\n  a: 2\n", "f.yaml:5:3", "twice"},
		"a list instead of fields":    {"- name: x\n", "f.yaml:1:1", "is a list, not a mapping"},
		"text instead of fields":      {"hello\n", "f.yaml:1:1", "is text, not a mapping"},
		"an empty file":               {"", "f.yaml:1:1", "empty"},
		"a second document":           {head + "---\n" + head, "f.yaml:3:1", "second YAML document"},
		"tags that are text":          {head + "tags: a, b\n", "f.yaml:3:7", "must be a list of text, not text; write a list"},
		"tags that are numbers":       {head + "tags: [1]\n", "f.yaml:3:8", "must be text"},
		"parameters that are a list":  {head + "parameters: []\n", "f.yaml:3:13", "must be a mapping, not a list"},
		"an unknown type":             {head + "parameters: {properties: {a: {type: int}}}\n", "f.yaml:3:37", `"int" is not a JSON type; use string, integer`},
		"a minimum that is text":      {head + "parameters: {properties: {a: {minimum: low}}}\n", "f.yaml:3:40", "minimum must be a number, not text"},
		"an enum that is no list":     {head + "parameters: {properties: {a: {enum: low}}}\n", "f.yaml:3:37", "enum must be a list"},
		"an unknown extract policy":   {head + "extract: maybe\n", "f.yaml:3:10", "use auto, tar or never"},
		"keep_on_failure as text":     {head + "keep_on_failure: maybe\n", "f.yaml:3:18", "use true or false"},
		"a size that is text":         {head + "workspace_max_size: huge\n", "f.yaml:3:21", "workspace_max_size: \"huge\" is not a size; accepted: 10 (GB), 500MB"},
		"a size of nothing":           {head + "workspace_max_size: 0\n", "f.yaml:3:21", "CACHE_WORKSPACE_MAX applies, which a workflow cannot lift"},
		"a size that is a boolean":    {head + "workspace_max_size: true\n", "f.yaml:3:21", "20% of the disk"},
		"a size that is a list":       {head + "workspace_max_size: [1GB]\n", "f.yaml:3:21", "not a list; use 10 (GB), 500MB"},
		"a class that is no name":     {head + "workflow_class: 1st thing\n", "f.yaml:3:17", "not a type name"},
		"broken YAML":                 {head + "tags: [a\n", "f.yaml:", "not valid YAML"},
		"an infinite number":          {head + "default_parameters: {a: .inf}\n", "f.yaml:3:25", "finite"},
		"a merge key":                 {head + "output_schema: &a {x: 1}\ndefault_parameters: {<<: *a}\n", "f.yaml:4:22", "merge keys"},
		"a key that is a list":        {head + "output_schema: {[1]: 2}\n", "f.yaml:3:17", "a key is a list"},
		"an alias of nothing":         {head + "tags: *a\n", "f.yaml", "unknown anchor"},
		"invalid UTF-8":               {"name: \xff\xfe\n", "f.yaml", "not valid YAML"},
		"a file that is too large":    {head + "description: " + strings.Repeat("x", 300<<10), "f.yaml", "at most 262144 are read"},
		"too deep a nesting":          {head + "output_schema: {a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}\n", "f.yaml:3:", "levels deep"},
		"an alias of itself":          {head + "output_schema: &a {a: [*a]}\n", "f.yaml:3:", "deep"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := metadata.Parse("f.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.place) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v\nshould name %s and say %q", err, c.place, c.says)
			}
			if cordon.KindOf(err) != cordon.InvalidArgument {
				t.Errorf("the kind is %q", cordon.KindOf(err))
			}
		})
	}
}

func TestParseReportsAllProblemsAtOnce(t *testing.T) {
	_, _, err := metadata.Parse("f.yaml", []byte("vertical: [a]\nworkspace_isolation: none\ntags: 3\n"))
	if n := strings.Count(err.Error(), "read metadata"); n != 4 {
		t.Errorf("%d problems, not 4:\n%v", n, err)
	}
}

// Ten lines that stand for 10^9 values must cost neither memory nor time.
func TestParseBoundsWhatAliasesExpandTo(t *testing.T) {
	text := "name: x\nvertical: y\noutput_schema:\n  a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n"
	for i := 1; i < 9; i++ {
		prev := "*a" + string(rune('0'+i-1))
		text += "  a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat(prev+",", 9) + prev + "]\n"
	}
	_, _, err := metadata.Parse("f.yaml", []byte(text))
	if err == nil || !strings.Contains(err.Error(), "expands to more than") {
		t.Errorf("got %v", err)
	}
}

// Counting values alone let a file of two lists read one mapping over and over: 256 KB took half a minute.
func TestAMappingThatManyAliasesNameIsNotReadForEach(t *testing.T) {
	const n = 2000
	var b strings.Builder
	b.WriteString("name: x\nvertical: y\ncommon: &c\n")
	for i := range n {
		fmt.Fprintf(&b, "  k%d: 1\n", i)
	}
	b.WriteString("parameters:\n  properties:\n")
	for i := range n {
		fmt.Fprintf(&b, "    p%d: *c\n", i)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := metadata.Parse("f.yaml", []byte(b.String()))
	runtime.ReadMemStats(&after)
	if err == nil || strings.Count(err.Error(), "expands to more than") != 1 {
		t.Errorf("got %v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("reading %d bytes took %d MB", b.Len(), used>>20)
	}
}

func TestParseWarnsButKeepsUnknownFields(t *testing.T) {
	w, warnings, err := metadata.Parse("f.yaml", []byte("name: x\nvertical: y\nworkspace_isolaton: shared\ncustom: {a: [1, two, null, 1.5, true]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"workspace_isolaton": "shared",
		"custom":             map[string]any{"a": []any{int64(1), "two", nil, 1.5, true}},
	}
	if !reflect.DeepEqual(w.Extra, want) {
		t.Errorf("kept %v", w.Extra)
	}
	if len(warnings) != 2 {
		t.Fatalf("warnings: %v", warnings)
	}
	if s := warnings[0].String(); !strings.Contains(s, "f.yaml:3:1") || !strings.Contains(s, "did you mean workspace_isolation?") {
		t.Errorf("a misspelt field warns: %s", s)
	}
	if s := warnings[1].String(); !strings.Contains(s, "f.yaml:4:1") || strings.Contains(s, "mean") {
		t.Errorf("an unknown field warns: %s", s)
	}
}

func TestParseWarnsOfDefaultsThatCannotWork(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"of the wrong type":           {"parameters: {properties: {n: {type: integer, default: many}}}", `default of n does not fit its own schema: "many" is not a whole number`},
		"outside the range":           {"parameters: {properties: {n: {type: integer, default: 0, minimum: 1}}}", "less than the minimum"},
		"in default_parameters too":   {"parameters: {properties: {n: {type: integer}}}\ndefault_parameters: {n: 1.5}", "1.5 is not a whole number"},
		"for an undeclared parameter": {"default_parameters: {n: 1}", "never passed"},
		"required but undeclared":     {"parameters: {required: [n]}", "does not declare"},
	} {
		t.Run(name, func(t *testing.T) {
			_, warnings, err := metadata.Parse("f.yaml", []byte("name: x\nvertical: y\n"+c.text+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) != 1 || !strings.Contains(warnings[0].String(), c.says) || warnings[0].Line < 3 {
				t.Errorf("warnings: %v", warnings)
			}
		})
	}
}

func TestClassIsPascalCaseOfTheDirectory(t *testing.T) {
	for dir, want := range map[string]string{
		"atheris_fuzzing":      "AtherisFuzzingWorkflow",
		"/x/cargo_fuzzing/":    "CargoFuzzingWorkflow",
		"secret-detection":     "SecretDetectionWorkflow",
		"security_assessment2": "SecurityAssessment2Workflow",
		"überprüfung_a":        "ÜberprüfungAWorkflow",
	} {
		if got := metadata.ClassOf(dir); got != want {
			t.Errorf("ClassOf(%q) = %q, want %q", dir, got, want)
		}
	}
	w, _, err := metadata.Parse("d/metadata.yaml", []byte("name: x\nworkflow_class: Special\n"))
	if err != nil || w.Class != "Special" {
		t.Errorf("workflow_class gives %q, %v", w.Class, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(fuzzing))
	f.Add([]byte("name: x\nworkspace_isolation: shared\n"))
	f.Add([]byte("\ufeffname: x\r\ntags: [a, b]\r\n"))
	f.Add([]byte("a: &a [*a]\nname: *a\n"))
	f.Add([]byte("name: !!binary aGk=\nparameters: {properties: {a: {default: 2024-01-01, enum: [~]}}}\n"))
	f.Add([]byte("---\nname: x\n---\nname: y\n"))
	f.Add([]byte(scanning))
	f.Add([]byte("name: x\nrun: [\"{params.a}{{x}}{\"]\nresults: {keep: [a, '{workspace}/**']}\nlimits: {memory: 1B}\nnetwork: build\n"))
	f.Add([]byte("? [a]\n: b\n<<: {name: x}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, warnings, err := metadata.Parse("dir/metadata.yaml", data)
		if err != nil {
			if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "dir/metadata.yaml") {
				t.Errorf("an error without kind or place: %v", err)
			}
			return
		}
		if w.Name == "" || w.Class == "" || !slices.Contains(cordon.Modes, w.Isolation) {
			t.Errorf("accepted, but not valid: %+v", w)
		}
		for _, warning := range warnings {
			if warning.Text == "" || warning.File == "" {
				t.Errorf("an empty warning: %+v", warning)
			}
		}
		if args, err := w.Arguments("t", nil); err == nil && len(args) != len(w.Parameters)+1 {
			t.Errorf("%d arguments for %d parameters", len(args), len(w.Parameters))
		}
		metadata.Advise(w)
		if w.Tool == nil {
			return
		}
		if args, _, err := w.Command(metadata.Dirs{Workspace: "/w", Output: "/o"}, nil); err == nil && (len(args) == 0 || args[0] == "") {
			t.Errorf("a command without a program: %q", args)
		}
	})
}
