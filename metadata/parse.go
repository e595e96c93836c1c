package metadata

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon"
	"go.yaml.in/yaml/v3"
)

// knownFields are the fields of CONTRACT §2.
var knownFields = []string{
	"name", "version", "vertical", "description", "author", "tags", "workspace_isolation", "parameters",
	"default_parameters", "output_schema", "workflow_class", "extract", "keep_on_failure",
	"workspace_max_size", "run", "env", "readable", "results", "exit_codes", "limits", "network",
}

var (
	// A name becomes part of workflow ids, and those part of object keys.
	nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	// A class is a type name in the languages that workflows are written in.
	classForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,199}$`)
)

// Parse reads data, the content of file. The error joins one *cordon.Error of
// kind InvalidArgument for each problem, with its place as file:line:column and
// what is accepted there. Warnings are returned in either case. Parse touches
// no file; the name of file's directory is where the default of the workflow
// class comes from.
func Parse(file string, data []byte) (Workflow, []Warning, error) {
	d := &document{file: file}
	w := Workflow{File: file, Isolation: cordon.Isolated, Extract: ExtractAuto}
	root := d.root(data)
	if root == nil {
		return Workflow{}, nil, d.err()
	}
	hasName := false
	for _, f := range d.fields(root) {
		hasName = hasName || f.name == "name"
		d.read(&w, f)
	}
	if !hasName {
		d.fail(root, `add "name: my_workflow"`, "the field name is missing")
	}
	if w.Vertical == "" {
		d.warnings = append(d.warnings, Warning{File: file,
			Text: "vertical is missing; the vertical of the worker that reads this (WORKER_VERTICAL) is meant"})
	}
	if w.Class == "" {
		w.Class = ClassOf(w.home())
	}
	d.checkDefaults(&w, root)
	d.tool(&w, root)
	if err := d.err(); err != nil {
		return Workflow{}, d.warnings, err
	}
	return w, d.warnings, nil
}

// home is the name of the workflow's directory, or its own where it has none.
func (w *Workflow) home() string {
	dir := filepath.Base(filepath.Dir(w.File))
	if dir == "." || dir == ".." || dir == string(filepath.Separator) {
		return w.Name
	}
	return dir
}

// read takes one top-level field into w.
func (d *document) read(w *Workflow, f field) {
	switch f.name {
	case "name":
		w.Name = d.name(f)
		if w.Name == "" && d.isEmpty(f) {
			d.fail(f.val, "give the workflow a name", "name is empty")
		}
	case "version":
		// 1.0 is a number to YAML; what the author wrote is what is meant.
		if n := follow(f.val); n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" {
			w.Version = n.Value
		} else {
			w.Version = d.text(f)
		}
	case "vertical":
		w.Vertical = d.name(f)
	case "description":
		w.Description = strings.TrimSpace(d.text(f))
	case "author":
		w.Author = d.text(f)
	case "tags":
		w.Tags = d.texts(f)
	case "workspace_isolation":
		d.isolation(w, f)
	case "parameters":
		w.Parameters = d.parameters(f)
	case "default_parameters":
		w.DefaultParameters = d.object(f)
	case "output_schema":
		w.OutputSchema = d.object(f)
	case "workflow_class":
		w.Class = d.text(f)
		w.classGiven = w.Class != ""
		if w.classGiven && !classForm.MatchString(w.Class) {
			d.fail(f.val, "use a type name such as AtherisFuzzingWorkflow", "workflow_class %q is not a type name", w.Class)
		}
	case "extract":
		d.extract(w, f)
	case "keep_on_failure":
		d.keepOnFailure(w, f)
	case "workspace_max_size":
		d.workspaceMaxSize(w, f)
	case "limits":
		w.Limits = d.limits(f)
	case "network":
		w.Network = d.network(f)
	case "run", "env", "readable", "results", "exit_codes":
		// They need the parameters and the mode, wherever in the file those stand: see tool.
	default:
		if w.Extra == nil {
			w.Extra = make(map[string]any)
		}
		w.Extra[f.name] = d.value(f.val, 1)
		hint := ""
		if near := Nearest(f.name, knownFields); near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		d.warn(f.key, "the field %q is not known and has no effect%s", f.name, hint)
	}
}

// isEmpty reports whether a field holds no text at all, as opposed to something wrong.
func (d *document) isEmpty(f field) bool {
	n := follow(f.val)
	return n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!null" || n.Value == "")
}

func (d *document) name(f field) string {
	s := d.text(f)
	if s != "" && !nameForm.MatchString(s) {
		d.fail(f.val, "use 1 to 100 letters, digits, '.', '_' or '-', beginning with a letter or a digit",
			"%s %q cannot be used in ids and queue names", f.name, s)
		return ""
	}
	return s
}

// isolation accepts exactly the modes: an empty one would silently mean the
// default, which is what nobody who wrote the field wants.
func (d *document) isolation(w *Workflow, f field) {
	n := follow(f.val)
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return
	}
	m := cordon.Mode(n.Value)
	if n.Kind != yaml.ScalarNode || !slices.Contains(cordon.Modes, m) {
		what := kindOf(n)
		if n.Kind == yaml.ScalarNode {
			what = fmt.Sprintf("%q", n.Value)
		}
		d.fail(f.val, "use isolated, shared or copy-on-write", "workspace_isolation is %s, which is not a mode", what)
		return
	}
	w.Isolation, w.IsolationSet = m, true
}

func (d *document) extract(w *Workflow, f field) {
	switch e := Extract(d.text(f)); e {
	case ExtractAuto, ExtractTar, ExtractNever:
		w.Extract = e
	case "":
		// Null means the default; what is not text has been reported.
	default:
		d.fail(f.val, "use auto, tar or never", "extract is %q", e)
	}
}

func (d *document) keepOnFailure(w *Workflow, f field) {
	switch v := d.value(f.val, 1).(type) {
	case nil:
	case bool:
		w.KeepOnFailure = v
	default:
		d.fail(f.val, "use true or false", "keep_on_failure must be a boolean, not %s", kindOf(f.val))
	}
}

// workspaceMaxSize reads a size as CACHE_MAX_SIZE spells it, where a bare number
// means gigabytes.
func (d *document) workspaceMaxSize(w *Workflow, f field) {
	n := follow(f.val)
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() == "!!bool":
		d.fail(f.val, "use "+cordon.SizeForms, "workspace_max_size must be a size, not %s", kindOf(n))
		return
	case n.ShortTag() == "!!null":
		return
	}
	size, err := cordon.ParseSize(n.Value)
	if err != nil {
		fix := ""
		if n.Value == "0" {
			fix = "without the field CACHE_WORKSPACE_MAX applies, which a workflow cannot lift; a size raises it"
		}
		d.fail(f.val, fix, "workspace_max_size: %w", err)
	}
	w.WorkspaceMaxSize = size
}

// checkDefaults warns of default_parameters that no parameter takes up.
func (d *document) checkDefaults(w *Workflow, root *yaml.Node) {
	for _, f := range d.fieldsQuietly(root, "default_parameters") {
		i := slices.IndexFunc(w.Parameters, func(p Parameter) bool { return p.Name == f.name })
		if i < 0 {
			d.warn(f.key, "default_parameters has %q, which parameters.properties does not declare: it is never passed", f.name)
			continue
		}
		if err := w.Parameters[i].check(w.DefaultParameters[f.name]); err != nil {
			d.warn(f.val, "the default of %s does not fit its own schema: %v", f.name, err)
		}
	}
}

// fieldsQuietly returns the entries of a top-level mapping that has been read,
// and whose problems have been reported, before.
func (d *document) fieldsQuietly(root *yaml.Node, name string) []field {
	quiet := &document{file: d.file}
	for _, f := range quiet.fields(root) {
		if n := follow(f.val); f.name == name && n.Kind == yaml.MappingNode {
			return quiet.fields(n)
		}
	}
	return nil
}
