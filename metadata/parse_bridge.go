package metadata

import (
	"path/filepath"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxActivityName bounds an activity's name, in bytes: what Temporal allows.
const maxActivityName = 1000

// LoadBridge reads the file that CORDON_TOOL_BRIDGE names. Errors are as ParseBridge's, or
// PermissionDenied where it may not be read.
func LoadBridge(file string) (Bridge, []Warning, error) {
	data, err := readFile(file)
	if err != nil {
		return Bridge{}, nil, err
	}
	return ParseBridge(file, data)
}

// ParseBridge reads data, the content of file. Errors and warnings are as Parse's.
func ParseBridge(file string, data []byte) (Bridge, []Warning, error) {
	d := &document{file: file, op: "read tool bridge", begin: `write "activities:" and below it the name of one, with its run`}
	b := Bridge{File: file}
	root := d.root(data)
	if root == nil {
		return Bridge{}, nil, d.err()
	}
	if filepath.Dir(file) == "/" {
		d.fail(root, "put it into a folder of its own, such as /etc/cordon/bridge.yaml", "the file lies in /, and its commands see the folder that it is in")
	}
	given := false
	for _, f := range d.fields(root) {
		if f.name != "activities" {
			d.unknown(f, "the file", []string{"activities"})
			continue
		}
		given = true
		for _, e := range d.mapping(f) {
			b.Entries = append(b.Entries, d.bridged(e))
		}
	}
	if len(b.Entries) == 0 && (!given || d.err() == nil) {
		d.fail(root, d.begin, "no activity is named")
	}
	if err := d.err(); err != nil {
		return Bridge{}, d.warnings, err
	}
	return b, d.warnings, nil
}

// bridged reads one entry.
func (d *document) bridged(f field) Bridged {
	e := Bridged{Activity: f.name, Workspace: ReadOnly, Tool: Tool{ExitCodes: ExitCodes{OK: []int{0}}}}
	if f.name == "" || len(f.name) > maxActivityName || !utf8.ValidString(f.name) {
		d.fail(f.key, "write the name of an activity, or *", "%.80q is not the name of an activity", f.name)
	}
	// There are no parameters: who schedules the activity gives arguments, on standard input.
	w := &Workflow{File: d.file}
	run := false
	known := []string{"run", "env", "readable", "exit_codes", "limits", "network", "workspace", "workspace_argument"}
	for _, v := range d.mapping(f) {
		switch v.name {
		case "run":
			run = true
			d.args(w, &e.Tool, v)
		case "env":
			d.env(w, &e.Tool, v)
		case "readable":
			d.readable(w, &e.Tool, v)
		case "exit_codes":
			d.bridgeExitCodes(&e, v)
		case "limits":
			e.Limits = d.limits(v)
		case "network":
			d.bridgeNetwork(&e, v)
		case "workspace":
			e.Workspace = d.access(v)
		case "workspace_argument":
			e.Argument = d.argument(v)
		default:
			d.unknown(v, f.name, known)
		}
	}
	if !run {
		d.fail(f.key, `add run: [program, argument, "{workspace}"]`, "%.80q has no run", f.name)
	}
	if e.Workspace == NoWorkspace && slices.ContainsFunc(e.Tool.Args, func(t Template) bool { return slices.Contains(t.Names(), WorkspacePlaceholder) }) {
		d.fail(f.key, "leave {workspace} out of run, or say workspace: read-only", "%.80q uses {workspace}, and workspace is none", f.name)
	}
	return e
}

func (d *document) bridgeNetwork(e *Bridged, f field) {
	switch v := d.value(f.val, 1).(type) {
	case nil:
	case bool:
		e.Network = v
	default:
		d.fail(f.val, "use true or false", "network is %s", describe(f.val))
	}
}

func (d *document) access(f field) Access {
	if d.isEmpty(f) {
		return ReadOnly
	}
	a := Access(follow(f.val).Value)
	if all := []Access{Writable, ReadOnly, NoWorkspace}; follow(f.val).Kind != yaml.ScalarNode || !slices.Contains(all, a) {
		d.fail(f.val, "use writable, read-only or none", "workspace is %s", describe(f.val))
		return ReadOnly
	}
	return a
}

func (d *document) argument(f field) Argument {
	const most = 1000 // arguments; more is a typing error
	switch v := d.value(f.val, 1).(type) {
	case nil:
		return Argument{}
	case int64:
		if v >= 1 && v <= most {
			return Argument{Position: int(v)}
		}
	case string:
		if v != "" {
			return Argument{Key: v}
		}
	}
	d.fail(f.val, "use a position from 1 on, or a key of the argument that is an object", "workspace_argument is %s", describe(f.val))
	return Argument{}
}

// bridgeExitCodes reads which exit codes mean success, and which that trying again is no use.
func (d *document) bridgeExitCodes(e *Bridged, f field) {
	seen := map[int]bool{}
	for _, v := range d.mapping(f) {
		switch v.name {
		case "ok":
			e.Tool.ExitCodes.OK = d.codes(v, seen)
		case "final":
			e.Final = d.codes(v, seen)
		default:
			d.unknown(v, "exit_codes", []string{"ok", "final"})
		}
	}
}
