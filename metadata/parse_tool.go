package metadata

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/finding"
	"go.yaml.in/yaml/v3"
)

// MaxToolParameters is how many parameters a workflow with run may have: so many
// arguments the workflow that runs it takes.
const MaxToolParameters = 64

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// tool reads run and the fields that go with it. Everything else has been read.
func (d *document) tool(w *Workflow, root *yaml.Node) {
	fields := map[string]field{}
	quiet := &document{file: d.file} // what is wrong with the mapping itself has been reported
	for _, f := range quiet.fields(root) {
		fields[f.name] = f
	}
	run, ok := fields["run"]
	if !ok || d.isEmpty(run) {
		for _, name := range []string{"env", "readable", "results", "exit_codes"} {
			if f, ok := fields[name]; ok {
				d.warn(f.key, "%s has no effect without run", name)
			}
		}
		return
	}
	t := &Tool{ExitCodes: ExitCodes{OK: []int{0}}}
	d.args(w, t, run)
	for _, more := range []struct {
		name string
		read func(*Workflow, *Tool, field)
	}{{"env", d.env}, {"readable", d.readable}, {"results", d.results}, {"exit_codes", d.exitCodes}} {
		if f, ok := fields[more.name]; ok {
			more.read(w, t, f)
		}
	}
	if n := len(w.Parameters); n > MaxToolParameters {
		d.fail(run.key, "gather them in fewer", "a workflow with run has at most %d parameters, not %d", MaxToolParameters, n)
	}
	if w.Network == NetworkBuild {
		d.warn(fields["network"].val, "network: build has no effect on run, which builds nothing: the tool has no network; true gives it one")
	}
	w.Tool = t
}

// args reads run: a list of text, never a command line for a shell.
func (d *document) args(w *Workflow, t *Tool, f field) {
	n := follow(f.val)
	if n.Kind != yaml.SequenceNode {
		d.fail(f.val, `write a list such as [bandit, --recursive, "{workspace}"]; no shell reads it`,
			"run must be the program and its arguments, not %s", kindOf(n))
		return
	}
	if len(n.Content) == 0 {
		d.fail(f.val, "begin with the program", "run is empty")
	}
	for i, c := range n.Content {
		arg, ok := d.template(w, "run's argument", c)
		if !ok {
			continue
		}
		if i == 0 {
			if arg.text == "" {
				d.fail(c, "begin with the program", "run's program is empty")
			}
			if slices.ContainsFunc(arg.Names(), func(name string) bool { return strings.HasPrefix(name, ParamPrefix) }) {
				d.fail(c, "name the program itself", "run's program is %q: who starts the workflow must not choose it", arg.text)
			}
		}
		t.Args = append(t.Args, arg)
	}
	d.writesIntoShared(w, n)
}

// template reads one scalar with placeholders. A number or a boolean is what its
// author wrote: arguments are text.
func (d *document) template(w *Workflow, what string, n *yaml.Node) (Template, bool) {
	v := follow(n)
	if v.Kind != yaml.ScalarNode || v.ShortTag() == "!!null" {
		d.fail(n, "write text", "%s must be text, not %s", what, kindOf(v))
		return Template{}, false
	}
	if strings.ContainsRune(v.Value, 0) {
		d.fail(n, "leave it out", "%s has a NUL, which no argument can hold", what)
		return Template{}, false
	}
	t := parseTemplate(v.Value)
	ok := true
	for _, name := range t.Names() {
		ok = d.placeholder(w, n, name) && ok
	}
	return t, ok
}

// placeholder checks one placeholder's name, and that its parameter can be text.
func (d *document) placeholder(w *Workflow, n *yaml.Node, name string) bool {
	known := []string{WorkspacePlaceholder, OutputPlaceholder, WorkflowPlaceholder}
	for _, p := range w.Parameters {
		known = append(known, ParamPrefix+p.Name)
	}
	if !slices.Contains(known, name) {
		fix := "use {" + strings.Join(known, "}, {") + "}, or {{" + name + "}} where the text itself is meant"
		if near := Nearest(name, known); near != "" {
			fix = "did you mean {" + near + "}? Otherwise " + fix
		}
		d.fail(n, fix, "the placeholder {%s} is not known", name)
		return false
	}
	param, ok := strings.CutPrefix(name, ParamPrefix)
	if !ok {
		return true
	}
	p := w.Parameters[slices.IndexFunc(w.Parameters, func(p Parameter) bool { return p.Name == param })]
	scalar := func(typ string) bool { return typ != "array" && typ != "object" }
	if len(p.Types) > 0 && !slices.ContainsFunc(p.Types, scalar) {
		d.fail(n, "make it a string, an integer, a number or a boolean", "the parameter %s is %s, which is no argument", param, orList(p.Types))
		return false
	}
	return true
}

// outputFlag matches options whose value is nearly always a file to write.
var outputFlag = regexp.MustCompile(`^(?:-o|--?(?:out|output|outfile|outdir|report|sarif)(?:-[a-z-]*)?)$`)

// writesIntoShared refuses arguments that tell the tool to write into a workspace
// that is read-only.
func (d *document) writesIntoShared(w *Workflow, run *yaml.Node) {
	if w.Isolation != cordon.Shared {
		return
	}
	flag := ""
	for _, n := range run.Content {
		text := follow(n).Value
		name, value, joined := strings.Cut(text, "=")
		if !joined {
			name, value = flag, text
		}
		if outputFlag.MatchString(name) && !strings.HasSuffix(name, "-format") && strings.HasPrefix(value, "{"+WorkspacePlaceholder+"}") {
			d.failShared(n, fmt.Sprintf("%s %s", name, value))
		}
		flag = text
	}
}

// failShared says that something is written to a workspace that nobody may write to.
func (d *document) failShared(n *yaml.Node, what string) {
	d.fail(n, "write below {output} instead, or choose workspace_isolation: isolated, or copy-on-write where targets are large",
		"%s lies in the workspace, and the mode is shared: its tree is read-only and common to all runs", what)
}

func (d *document) env(w *Workflow, t *Tool, f field) {
	for _, e := range d.mapping(f) {
		if !variableForm.MatchString(e.name) {
			d.fail(e.key, "use letters, digits and _", "%q is not the name of a variable", e.name)
			continue
		}
		if value, ok := d.template(w, "the variable "+e.name, e.val); ok {
			t.Env = append(t.Env, Variable{e.name, value})
		}
	}
}

func (d *document) readable(_ *Workflow, t *Tool, f field) {
	for i, p := range d.texts(f) {
		if !filepath.IsAbs(p) || filepath.Clean(p) == "/" {
			d.fail(follow(f.val).Content[i], "write an absolute path such as /opt/tool", "readable has %q, which is not a path to show to the tool", p)
			continue
		}
		t.Readable = append(t.Readable, filepath.Clean(p))
	}
}

func (d *document) results(w *Workflow, t *Tool, f field) {
	known := []string{"stdout", "sarif", "json", "keep"}
	for _, e := range d.mapping(f) {
		switch e.name {
		case "stdout":
			t.Results.Stdout = d.place(w, e, e.val)
			if p := t.Results.Stdout; p != nil && p.InWorkspace {
				d.fail(e.val, "name a file below {output}", "results.stdout lies in the workspace")
			}
		case "json":
			t.Results.JSON = d.place(w, e, e.val)
		case "sarif":
			for _, n := range listed(e.val) {
				if p := d.place(w, e, n); p != nil {
					t.Results.SARIF = append(t.Results.SARIF, *p)
				}
			}
		case "keep":
			for _, n := range listed(e.val) {
				p := d.place(w, e, n)
				if p == nil {
					continue
				}
				g, err := finding.ParseGlob(p.Path)
				if err != nil {
					d.fail(n, "", "results.keep: %w", err)
					continue
				}
				t.Results.Keep = append(t.Results.Keep, Files{p.InWorkspace, g})
			}
		default:
			d.unknown(e, "results", known)
		}
	}
}

// listed returns the entries of a list, or the one value that stands for a list of one.
func listed(n *yaml.Node) []*yaml.Node {
	if v := follow(n); v.Kind == yaml.SequenceNode {
		return v.Content
	}
	return []*yaml.Node{n}
}

// place reads where a file is. What is relative lies below the output directory.
func (d *document) place(w *Workflow, f field, n *yaml.Node) *Place {
	text := d.text(field{"results." + f.name, f.key, n})
	if text == "" {
		return nil
	}
	rest, inWorkspace := strings.CutPrefix(text, "{"+WorkspacePlaceholder+"}/")
	if !inWorkspace {
		rest = strings.TrimPrefix(text, "{"+OutputPlaceholder+"}/")
	}
	if clean := path.Clean(rest); !filepath.IsLocal(clean) || clean == "." || strings.ContainsAny(rest, "\x00{}") {
		d.fail(n, "write a path below the output directory such as report.sarif, or {workspace}/report.sarif",
			"results.%s is %q, which is not a file below {output} or {workspace}", f.name, text)
		return nil
	}
	if inWorkspace && w.Isolation == cordon.Shared {
		d.failShared(n, fmt.Sprintf("results.%s: %s", f.name, text))
		return nil
	}
	return &Place{inWorkspace, path.Clean(rest)}
}

func (d *document) exitCodes(_ *Workflow, t *Tool, f field) {
	seen := map[int]bool{}
	for _, e := range d.mapping(f) {
		switch e.name {
		case "ok":
			t.ExitCodes.OK = d.codes(e, seen)
		case "findings":
			t.ExitCodes.Findings = d.codes(e, seen)
		default:
			d.unknown(e, "exit_codes", []string{"ok", "findings"})
		}
	}
	if slices.ContainsFunc(t.ExitCodes.Findings, func(c int) bool { return slices.Contains(t.ExitCodes.OK, c) }) && !seen[0] {
		// ok was left out, and its default is what findings claims.
		t.ExitCodes.OK = nil
	}
}

// codes reads one list of exit codes; none may be among those seen before, which it adds to.
func (d *document) codes(e field, seen map[int]bool) []int {
	out := []int{}
	for _, n := range listed(e.val) {
		v, ok := d.value(n, 1).(int64)
		switch {
		case !ok || v < 0 || v > 255:
			d.fail(n, "use numbers from 0 to 255", "exit_codes.%s has %s, which is not an exit code", e.name, follow(n).Value)
		case seen[int(v)]:
			d.fail(n, "keep one of the two", "exit_codes has %d twice", v)
		default:
			seen[int(v)] = true
			out = append(out, int(v))
		}
	}
	return out
}

// unknown warns of a key that a field does not have.
func (d *document) unknown(e field, of string, known []string) {
	d.value(e.val, 1) // for its problems
	hint := "; the known ones are " + strings.Join(known, ", ")
	if near := Nearest(e.name, known); near != "" {
		hint = fmt.Sprintf("; did you mean %s?", near)
	}
	d.warn(e.key, "%s has no %q, which has no effect%s", of, e.name, hint)
}
