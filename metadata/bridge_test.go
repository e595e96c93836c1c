package metadata_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
)

const bridging = `# what FuzzForge's own modules do
activities:
  scan_licenses:
    run: [python3, "{workflow}/licenses.py", --at, "{workspace}", --out, "{output}/x"]
    workspace: writable
    workspace_argument: 2
    env: {HOME: "{output}"}
    readable: [/opt/licenses]
    exit_codes: {ok: [0, 1], final: 2}
    limits: {memory: 2GiB, time: 30m}
    network: true
  notify:
    run: [notify]
    workspace: none
  keyed: {run: [x], workspace_argument: target_path}
  "*": {run: [any]}
`

func TestParseBridgeReadsEveryField(t *testing.T) {
	b, warnings, err := metadata.ParseBridge("/etc/cordon/bridge.yaml", []byte(bridging))
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	if b.Names() != "scan_licenses, notify, keyed, *" {
		t.Errorf("the entries are %s", b.Names())
	}
	e, ok := b.Lookup("scan_licenses")
	if !ok || e.Workspace != metadata.Writable || e.Argument != (metadata.Argument{Position: 2}) || !e.Network ||
		e.Limits != (metadata.Limits{Memory: 2 << 30, Time: 30 * time.Minute}) || !slices.Equal(e.Final, []int{2}) ||
		!slices.Equal(e.Tool.ExitCodes.OK, []int{0, 1}) || !slices.Equal(e.Tool.Readable, []string{"/opt/licenses"}) {
		t.Errorf("got %+v", e)
	}
	args, env, err := e.Workflow("scan_licenses", b.File).Command(metadata.Dirs{Workspace: "/ws", Output: "/out"}, nil)
	if err != nil || !slices.Equal(args, []string{"python3", "/etc/cordon/licenses.py", "--at", "/ws", "--out", "/out/x"}) || !slices.Equal(env, []string{"HOME=/out"}) {
		t.Errorf("the command is %q %q, %v", args, env, err)
	}
	if e, _ := b.Lookup("notify"); e.Workspace != metadata.NoWorkspace || e.Network || !slices.Equal(e.Tool.ExitCodes.OK, []int{0}) {
		t.Errorf("got %+v", e)
	}
	if e, _ := b.Lookup("keyed"); e.Argument.Key != "target_path" || e.Workspace != metadata.ReadOnly {
		t.Errorf("got %+v", e)
	}
	if e, ok := b.Lookup("anything"); !ok || e.Activity != metadata.AnyActivity {
		t.Errorf("what has no entry gets %+v", e)
	}
	b, _, err = metadata.ParseBridge("b", []byte("activities: {a: {run: [x]}}"))
	if _, ok := b.Lookup("b"); ok || err != nil {
		t.Errorf("an entry for what has none: %t, %v", ok, err)
	}
}

func TestParseBridgeSaysWhatIsWrong(t *testing.T) {
	const head = "activities:\n  a:\n    run: [x]\n"
	for name, c := range map[string]struct{ text, place, says string }{
		"an empty file":              {"", "f.yaml:1:1", `write "activities:"`},
		"a list":                     {"- a\n", "f.yaml:1:1", "not a mapping"},
		"no activities":              {"activities: {}\n", "f.yaml:1:1", "no activity is named"},
		"another field":              {"tools: {a: {run: [x]}}\n", "f.yaml:1:1", "no activity is named"},
		"activities that are a list": {"activities: [a]\n", "f.yaml:1:13", "must be a mapping"},
		"nothing to run":             {"activities:\n  a: {network: true}\n", "f.yaml:2:3", `"a" has no run`},
		"a command line":             {"activities: {a: {run: x y}}\n", "f.yaml:1:23", "no shell reads it"},
		"the same name twice":        {head + "  a: {run: [y]}\n", "f.yaml:4:3", "given twice"},
		"an unknown placeholder":     {"activities: {a: {run: [x, '{workspce}']}}\n", "f.yaml:1:27", "did you mean {workspace}?"},
		"a parameter":                {"activities: {a: {run: [x, '{params.y}']}}\n", "f.yaml:1:27", "is not known"},
		"a workspace that is none":   {"activities: {a: {run: [x, '{workspace}'], workspace: none}}\n", "f.yaml:1:14", "workspace is none"},
		"an access":                  {head + "    workspace: all\n", "f.yaml:4:16", "writable, read-only or none"},
		"a position":                 {head + "    workspace_argument: 0\n", "f.yaml:4:25", "from 1 on"},
		"a network that is none":     {head + "    network: build\n", "f.yaml:4:14", "true or false"},
		"memory without a unit":      {head + "    limits: {memory: 512}\n", "f.yaml:4:22", "with its unit"},
		"a code in both":             {head + "    exit_codes: {ok: [0, 2], final: 2}\n", "f.yaml:4:37", "has 2 twice"},
		"a relative path":            {head + "    readable: [opt]\n", "f.yaml:4:16", "absolute path"},
		"no variable":                {head + "    env: {'A B': c}\n", "f.yaml:4:11", "not the name of a variable"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := metadata.ParseBridge("f.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), "read tool bridge "+c.place+":") || !strings.Contains(err.Error(), c.says) || cordon.KindOf(err) != cordon.InvalidArgument {
				t.Errorf("%v\nshould name %s and say %q", err, c.place, c.says)
			}
		})
	}
	// No command can be shown the whole file system: none would ever run.
	if _, _, err := metadata.ParseBridge("/f.yaml", []byte(head)); cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "lies in /") || !strings.Contains(err.Error(), "folder of its own") {
		t.Errorf("a file in /: %v", err)
	}
	_, warnings, err := metadata.ParseBridge("f.yaml", []byte(head+"    limit: {time: 1m}\n"))
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].String(), "did you mean limits?") {
		t.Errorf("a misspelt key: %v %v", warnings, err)
	}
}

func TestLoadBridgeNamesTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	if _, _, err := metadata.LoadBridge(file); cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), file) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(file, []byte(bridging), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, _, err := metadata.LoadBridge(file); err != nil || b.File != file || len(b.Entries) != 4 {
		t.Errorf("%+v, %v", b, err)
	}
}

// Whatever the file holds, it is refused with places and advice, or makes commands.
func FuzzParseBridge(f *testing.F) {
	for _, seed := range []string{bridging, "", "activities:\n", "activities: &a {x: {run: [y]}, z: *a}", "activities: {? [a] : {run: [x]}}", "activities: {a: {run: ['{workspace}{{output}}']}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, _, err := metadata.ParseBridge("/d/f.yaml", data)
		if err != nil {
			if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "f.yaml") {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if len(b.Entries) == 0 {
			t.Fatal("accepted without an entry")
		}
		for _, e := range b.Entries {
			if got, ok := b.Lookup(e.Activity); !ok || got.Activity != e.Activity {
				t.Errorf("%q is not found", e.Activity)
			}
			args, _, err := e.Workflow(e.Activity, b.File).Command(metadata.Dirs{Workspace: "/ws", Output: "/out"}, nil)
			if err != nil && cordon.KindOf(err) != cordon.InvalidArgument {
				t.Errorf("%v", err)
			}
			if err == nil && (len(args) == 0 || args[0] == "") {
				t.Errorf("the command is %q", args)
			}
		}
	})
}
