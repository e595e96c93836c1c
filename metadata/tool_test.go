package metadata_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
)

const scanning = `name: bandit_scan
vertical: python
workspace_isolation: shared
run: [bandit, --recursive, --output, "{output}/bandit.sarif", "--level={params.level}", "{params.path}", 5, "{{workspace}} {} {\"a\": 1}"]
env: {HOME: "{output}"}
readable: [/opt/bandit]
results:
  stdout: log.txt
  sarif: "{output}/bandit.sarif"
  json: sub/report.json
  keep: ["*.sarif", "logs/**"]
exit_codes: {ok: [0, 3], findings: 1}
limits: {memory: 2GiB, processes: 64, cpu: 1.5, time: 30m, bytes: 500MB, inodes: 1000}
network: true
parameters:
  properties:
    level: {type: string, enum: [low, high, -x], default: low}
    path: {type: string, default: .}
    count: {type: integer}
    many: {type: array}
`

func TestParseReadsTheToolOfAWorkflowWithoutCode(t *testing.T) {
	w, warnings, err := metadata.Parse("d/metadata.yaml", []byte(scanning))
	if err != nil || len(warnings) != 0 {
		t.Fatalf("%v %v", err, warnings)
	}
	want := metadata.Limits{Memory: 2 << 30, Processes: 64, CPU: 1.5, Time: 30 * time.Minute, Bytes: 500e6, Inodes: 1000}
	if w.Limits != want {
		t.Errorf("limits %+v, want %+v", w.Limits, want)
	}
	if w.Network != metadata.NetworkAlways {
		t.Errorf("network %v", w.Network)
	}
	r := w.Tool.Results
	if r.Stdout.String() != "log.txt" || len(r.SARIF) != 1 || r.SARIF[0].String() != "bandit.sarif" || r.JSON.String() != "sub/report.json" {
		t.Errorf("results %+v", r)
	}
	if len(r.Keep) != 2 || !r.Keep[1].Glob.Match("logs/a/b.txt") || r.Keep[0].InWorkspace {
		t.Errorf("keep %+v", r.Keep)
	}
	for code, want := range map[int][2]bool{0: {true, false}, 3: {true, false}, 1: {true, true}, 2: {false, false}} {
		if done, found := w.Tool.ExitCodes.Done(code); done != want[0] || found != want[1] {
			t.Errorf("exit code %d: done %t, found %t", code, done, found)
		}
	}
	if !slices.Equal(w.Tool.Readable, []string{"/opt/bandit"}) {
		t.Errorf("readable %v", w.Tool.Readable)
	}
}

// What a parameter holds stays in its argument, whatever it is.
func TestPlaceholdersAreFilledInsideOfTheirArguments(t *testing.T) {
	w := parse(t, scanning)
	args, env, err := w.Command(metadata.Dirs{Workspace: "/ws", Output: "/out"}, []json.RawMessage{json.RawMessage(`"high"`), json.RawMessage(`"a b; $(reboot) {output} 'x"`)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"bandit", "--recursive", "--output", "/out/bandit.sarif", "--level=high", "a b; $(reboot) {output} 'x", "5", `{workspace} {} {"a": 1}`}
	if !reflect.DeepEqual(args, want) {
		t.Errorf("got  %q\nwant %q", args, want)
	}
	if !slices.Equal(env, []string{"HOME=/out"}) {
		t.Errorf("environment %q", env)
	}
}

func TestCommandTakesDefaultsAndRefusesWhatCannotBe(t *testing.T) {
	w := parse(t, scanning)
	args, _, err := w.Command(metadata.Dirs{}, nil)
	if err != nil || args[4] != "--level=low" || args[5] != "." {
		t.Errorf("without arguments: %q, %v", args, err)
	}
	if args, _, err := w.Command(metadata.Dirs{}, []json.RawMessage{json.RawMessage("null"), json.RawMessage("null")}); err != nil || args[5] != "." {
		t.Errorf("nulls are defaults: %q, %v", args, err)
	}
	for name, c := range map[string]struct{ level, path, says string }{
		"a value of another type": {`7`, `"."`, "level"},
		"one that is not listed":  {`"none"`, `"."`, `not one of "low"`},
		"an option":               {`"low"`, `"--config=/etc/passwd"`, `begins with '-'`},
		"a NUL":                   {`"low"`, `"a\u0000b"`, "NUL"},
		"no JSON":                 {`low`, `"."`, "level"},
		"too much":                {`"low"`, `"` + strings.Repeat("x", 40<<10) + `"`, "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.Command(metadata.Dirs{}, []json.RawMessage{json.RawMessage(c.level), json.RawMessage(c.path)})
			if err == nil || !strings.Contains(err.Error(), c.says) || cordon.KindOf(err) != cordon.InvalidArgument {
				t.Errorf("got %v, want one that says %q", err, c.says)
			}
		})
	}
	listed := parse(t, "name: x\nvertical: y\nrun: [tool, '{params.flag}', '{params.n}']\nparameters: {properties: {flag: {enum: [-v, -q]}, n: {type: integer}}}\n")
	if args, _, err := listed.Command(metadata.Dirs{}, []json.RawMessage{json.RawMessage(`"-v"`), json.RawMessage(`-3`)}); err != nil || args[1] != "-v" || args[2] != "-3" {
		t.Errorf("an option that the schema lists, and a number: %q, %v", args, err)
	}
	if _, _, err := listed.Command(metadata.Dirs{}, []json.RawMessage{json.RawMessage(`"-v"`)}); err == nil || !strings.Contains(err.Error(), "no value") || !strings.Contains(err.Error(), "--param") {
		t.Errorf("a parameter without a value: %v", err)
	}
}

func TestParseSaysWhatIsWrongWithATool(t *testing.T) {
	const head = "name: x\nvertical: y\n"
	const shared = "name: x\nvertical: y\nworkspace_isolation: shared\n"
	for name, c := range map[string]struct{ text, place, says string }{
		"a command line":                  {head + "run: bandit -r .\n", "f.yaml:3:6", "no shell reads it"},
		"nothing to run":                  {head + "run: []\n", "f.yaml:3:6", "run is empty"},
		"an argument that is a list":      {head + "run: [a, [b]]\n", "f.yaml:3:10", "must be text, not a list"},
		"an argument that is empty":       {head + "run: [a, ~]\n", "f.yaml:3:10", "must be text, not empty"},
		"an unknown placeholder":          {head + "run: [a, \"{target}\"]\n", "f.yaml:3:10", "{target} is not known; use {workspace}, {output}, {workflow}, or {{target}}"},
		"a misspelt placeholder":          {head + "run: [a, \"{worskpace}/x\"]\n", "f.yaml:3:10", "did you mean {workspace}?"},
		"a parameter that is not there":   {head + "run: [a, \"{params.lvl}\"]\nparameters: {properties: {level: {}}}\n", "f.yaml:3:10", "{params.level}"},
		"a parameter that is a list":      {head + "run: [a, \"{params.l}\"]\nparameters: {properties: {l: {type: array}}}\n", "f.yaml:3:10", "array, which is no argument"},
		"a program that the caller picks": {head + "run: [\"{params.p}\"]\nparameters: {properties: {p: {}}}\n", "f.yaml:3:7", "must not choose it"},
		"a program without a name":        {head + "run: [\"\"]\n", "f.yaml:3:7", "program is empty"},
		"a NUL":                           {head + "run: [a, \"\\0\"]\n", "f.yaml:3:10", "NUL"},
		"a variable that is none":         {head + "run: [a]\nenv: {\"A B\": c}\n", "f.yaml:4:7", "not the name of a variable"},
		"a relative readable":             {head + "run: [a]\nreadable: [opt]\n", "f.yaml:4:12", "absolute path"},
		"all of the host":                 {head + "run: [a]\nreadable: [//]\n", "f.yaml:4:12", "absolute path"},
		"a report outside":                {head + "run: [a]\nresults: {sarif: ../x}\n", "f.yaml:4:18", "not a file below {output}"},
		"an absolute report":              {head + "run: [a]\nresults: {json: /tmp/x}\n", "f.yaml:4:17", "not a file below {output}"},
		"the output directory itself":     {head + "run: [a]\nresults: {json: \"{output}/.\"}\n", "f.yaml:4:17", "not a file below {output}"},
		"standard output in the tree":     {head + "run: [a]\nresults: {stdout: \"{workspace}/x\"}\n", "f.yaml:4:19", "below {output}"},
		"a report in a shared workspace":  {shared + "run: [a]\nresults: {sarif: \"{workspace}/x.sarif\"}\n", "f.yaml:5:18", "choose workspace_isolation: isolated, or copy-on-write"},
		"kept files in a shared one":      {shared + "run: [a]\nresults: {keep: [\"{workspace}/out/**\"]}\n", "f.yaml:5:18", "the mode is shared"},
		"output in a shared workspace":    {shared + "run: [a, --output, \"{workspace}/x\"]\n", "f.yaml:4:20", "--output {workspace}/x lies in the workspace"},
		"an output flag with =":           {shared + "run: [a, \"--report-path={workspace}/x\"]\n", "f.yaml:4:10", "isolated, or copy-on-write"},
		"an output given before":          {"run: [a, -o, \"{workspace}/x\"]\n" + shared, "f.yaml:1:14", "isolated, or copy-on-write"},
		"an exit code that is none":       {head + "run: [a]\nexit_codes: {ok: [256]}\n", "f.yaml:4:19", "from 0 to 255"},
		"an exit code that is text":       {head + "run: [a]\nexit_codes: {findings: none}\n", "f.yaml:4:24", "not an exit code"},
		"an exit code twice":              {head + "run: [a]\nexit_codes: {ok: [0, 1], findings: [1]}\n", "f.yaml:4:37", "has 1 twice"},
		"memory without a unit":           {head + "limits: {memory: 512}\n", "f.yaml:3:18", "with its unit"},
		"a share of memory":               {head + "limits: {memory: 20%}\n", "f.yaml:3:18", "with its unit"},
		"no processes":                    {head + "limits: {processes: 0}\n", "f.yaml:3:21", "from 1 on"},
		"processors that are text":        {head + "limits: {cpu: all}\n", "f.yaml:3:15", "number of processors"},
		"a time without a unit":           {head + "limits: {time: 30}\n", "f.yaml:3:16", "30m or 2h"},
		"a time without end":              {head + "limits: {time: 30d}\n", "f.yaml:3:16", "from 1s to 7d"},
		"inodes that are a part":          {head + "limits: {inodes: 1.5}\n", "f.yaml:3:18", "whole number"},
		"limits that are a list":          {head + "limits: [1]\n", "f.yaml:3:9", "must be a mapping"},
		"a network that is a list":        {head + "network: [host]\n", "f.yaml:3:10", "use false, true or build"},
		"a network that is none":          {head + "network: host\n", "f.yaml:3:10", `"host"; use false, true or build`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := metadata.Parse("f.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.place+":") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v\nshould name %s and say %q", err, c.place, c.says)
			}
			if cordon.KindOf(err) != cordon.InvalidArgument {
				t.Errorf("the kind is %q", cordon.KindOf(err))
			}
		})
	}
}

func TestParseWarnsOfWhatHasNoEffectOnATool(t *testing.T) {
	const head = "name: x\nvertical: y\n"
	for text, says := range map[string]string{
		"results: {sarif: x}\n":                  "results has no effect without run",
		"exit_codes: {ok: [0]}\n":                "exit_codes has no effect without run",
		"run: [a]\nnetwork: build\n":             "network: build has no effect on run",
		"run: [a]\nresults: {sarrif: x}\n":       "did you mean sarif?",
		"run: [a]\nexit_codes: {failure: [2]}\n": `exit_codes has no "failure"`,
		"limits: {ram: 2GB}\n":                   "the known ones are memory, processes",
	} {
		_, warnings, err := metadata.Parse("f.yaml", []byte(head+text))
		if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].String(), says) || warnings[0].Line == 0 {
			t.Errorf("%q: %v %v, want a warning that says %q", text, warnings, err, says)
		}
	}
}

// What a shared run may do with its workspace is read it, and that is not refused.
func TestAToolThatReadsASharedWorkspaceIsFine(t *testing.T) {
	for _, run := range []string{
		`[a, -r, "{workspace}", -o, "{output}/x"]`, `[a, --output-format, "{workspace}"]`, `[a, "--input={workspace}/x"]`, `[grep, -o, x, "{workspace}"]`,
	} {
		parse(t, "name: x\nvertical: y\nworkspace_isolation: shared\nrun: "+run+"\n")
	}
	parse(t, "name: x\nvertical: y\nworkspace_isolation: copy-on-write\nrun: [a, -o, '{workspace}/x']\nresults: {json: '{workspace}/x', keep: '{workspace}/y/**'}\n")
}

func TestACodeThatMeansFindingsIsNotOK(t *testing.T) {
	w := parse(t, "name: x\nvertical: y\nrun: [a]\nexit_codes: {findings: [0]}\n")
	if done, found := w.Tool.ExitCodes.Done(0); !done || !found {
		t.Errorf("0 is done %t, found %t", done, found)
	}
}
